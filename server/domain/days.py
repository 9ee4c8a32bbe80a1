"""Ranges of UTC days, as lists and figures are filtered by."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Final

from server.domain.errors import Code, Refusal


@dataclass(frozen=True, slots=True)
class Days:
    """Whole days in UTC, both ends included.

    Attributes:
        first: None: there is no first one.
        last: None: there is no last one.
    """

    first: date | None = None
    last: date | None = None

    def __post_init__(self) -> None:
        """Check the order.

        Raises:
            Refusal: bad_request, the first day comes after the last one.
        """
        if self.first is not None and self.last is not None and self.first > self.last:
            raise Refusal(Code.BAD_REQUEST, "The range of days ends before it begins.")

    @property
    def begin(self) -> datetime | None:
        """The first moment of the range; None: it has no beginning."""
        return None if self.first is None else datetime.combine(self.first, time.min, UTC)

    @property
    def end(self) -> datetime | None:
        """The moment after the last one of the range; None: it has no end, or none that Python can name."""
        if self.last is None or self.last == date.max:
            return None
        return datetime.combine(self.last + timedelta(days=1), time.min, UTC)


EVERY_DAY: Final = Days()
"""No bound at all."""
