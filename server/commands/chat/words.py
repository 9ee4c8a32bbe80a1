"""What a chat tells, in plain words."""

from collections.abc import Mapping
from typing import Final

from client.errors import End, Refused
from client.frames import Frame
from client.view import ChatView

_REFUSALS: Final[Mapping[str, str]] = {
    "no_credit": "This channel has no credits left. Nothing was charged.",
    "channel_pending": "This channel is not on air yet.",
    "channel_inactive": "This channel was taken off air. What was said can be read, not continued.",
    "busy": "An answer is still being written. Send it again in a moment.",
    "limit_reached": "This chat is full. /new begins another one.",
    "closed": "This chat has ended. /new begins another one.",
    "quota_exceeded": "The chats of this day are used up.",
    "provider_error": "The model failed. Enter sends your message again.",
    "unavailable": "The server cannot do that now. Enter sends your message again.",
    "overloaded": "Too much is going on there. Enter sends your message again.",
    "unauthorized": "This key is not known, or was revoked.",
}
_ENDS: Final[Mapping[str, str]] = {
    "length": "The answer was cut: it reached its longest length.",
    "cap": "The answer was cut: the chat is full.",
    "user_stop": "Stopped.",
    "filter": "The provider withheld the answer.",
    "interrupted": "The server ended in the middle of the answer; this much was kept.",
    "error": "The model failed.",
}
_STATUSES: Final[Mapping[str, str]] = {
    "cut": _ENDS["cap"],
    "stopped": _ENDS["user_stop"],
    "interrupted": _ENDS["interrupted"],
    "failed": _ENDS["error"],
}
_CLOSED: Final[Mapping[str, str]] = {
    "refunded": "No answer came, so the credit went back and this chat is over. Enter asks again, in a new one.",
    "user": "This chat was closed. /new begins another one.",
    "channel_inactive": "The channel was taken off air.",
    "revoked": "This chat is not shared with you any more.",
    "deleted": "This chat was deleted. /new begins another one.",
}
_CLOSE_CODES: Final[Mapping[int, str]] = {
    4500: "The server did not understand this program.",
    4501: "The server does not know who this is.",
    4502: "The server does not let this key in any more.",
    4503: "The server speaks a newer protocol than this program.",
    4505: "Too many connections are open with this key.",
    4506: "The channel is gone.",
}


def of_refusal(refusal: Refused) -> str:
    """Why a message was not taken, and what to do."""
    details = refusal.details
    match refusal.code:
        case "too_long_for_remaining" if {"tokens", "left"} <= details.keys():
            told = f"Your message has {details['tokens']:,} tokens, and this chat has {details['left']:,} left."
        case "too_large" if {"limit", "length"} <= details.keys():
            told = f"Your message has {details['length']:,} characters; {details['limit']:,} can be sent."
        case "rate_limited":
            told = "That was too fast."
        case code:
            told = _REFUSALS.get(code, refusal.message)
    if refusal.after_seconds is None:
        return told
    return f"{told} Wait {_duration(refusal.after_seconds)}."


def of_done(frame: Frame) -> str:
    """Why an answer ended; empty when it is simply complete."""
    return _ENDS.get(frame["why"], "")


def of_status(status: str) -> str:
    """How an answer ended whose end was not seen; empty when it is simply complete."""
    return _STATUSES.get(status, "")


def of_closed(frame: Frame) -> str:
    """Why the chat ended."""
    return _CLOSED.get(frame["why"], "This chat has ended.")


def of_end(end: End) -> str:
    """Why there is no connection, for good."""
    return _CLOSE_CODES.get(end.code, end.reason or f"The connection ended with code {end.code}.")


def of_limits(frame: Frame) -> str:
    """What a `near` or `limit` says."""
    usage = frame["usage"]
    if frame["t"] == "limit":
        return f"This chat is full: {usage['used']:,} of {usage['cap']:,} tokens. /new begins another one."
    return f"{frame['pct']} % of this chat's {usage['cap']:,} tokens are used; {usage['left']:,} are left."


def of_meter(view: ChatView, balance: int | None) -> str:
    """The meter of the chat and the balance of the channel, on one line; empty before anything is known."""
    told = []
    if view.usage:
        used, cap, left = (view.usage[name] for name in ("used", "cap", "left"))
        told.append(f"{used:,} of {cap:,} tokens, {left:,} left")
    if balance is not None:
        told.append(f"{balance:,} credit{'' if balance == 1 else 's'}")
    return " · ".join(told)


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s"
    if seconds < 7_200:
        return f"{seconds / 60:.0f} minutes"
    return f"{seconds / 3_600:.0f} hours"
