"""A token bucket: `burst` at once, then `per_second` on average. The caller brings the clock."""

from dataclasses import dataclass


@dataclass(slots=True)
class TokenBucket:
    """How much a caller may still do.

    Attributes:
        per_second: how fast the bucket fills.
        burst: how much it holds; it starts full.
        tokens: what is in it as of `updated_seconds`.
        updated_seconds: the caller's monotonic clock at the last `take`.
    """

    per_second: float
    burst: float
    tokens: float
    updated_seconds: float

    @classmethod
    def full(cls, per_second: float, burst: float, now_seconds: float) -> "TokenBucket":
        """Return a bucket that nobody has taken from."""
        return cls(per_second, burst, burst, now_seconds)

    def take(self, now_seconds: float) -> float:
        """Take one; return 0 when it was there, else the seconds after which it will be."""
        elapsed_seconds = max(0.0, now_seconds - self.updated_seconds)
        self.tokens = min(self.burst, self.tokens + elapsed_seconds * self.per_second)
        self.updated_seconds = now_seconds
        if self.tokens >= 1.0:
            self.tokens -= 1.0
            return 0.0
        return (1.0 - self.tokens) / self.per_second
