"""The settings an admin may change while the server runs: a closed registry with types, defaults and bounds.

Each setting is a field of `Settings`, so code that reads one is checked by the type checker; `REGISTRY` is the same
list for whoever has a key and a text in hand: the environment, a row of the database, a form.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import Any

from server.domain.errors import Code, Refusal
from server.domain.money import MAX_CONTRIBUTION_CENTS

_ENVIRONMENT_PREFIX = "TALLYLIGHT_SETTING_"
_MAX_TEXT_CHARACTERS = 2_000

Value = str | int | bool | float


class SettingType(StrEnum):
    """The types a setting may have."""

    STRING = "STRING"
    INTEGER = "INTEGER"
    BOOLEAN = "BOOLEAN"
    FLOAT = "FLOAT"


@dataclass(frozen=True, slots=True)
class Setting:
    """One entry of the registry.

    Attributes:
        key: its name for people, such as ``chat.answer_tokens``.
        field: its name in `Settings`.
        default: its value where nobody has set it.
        bounds: the least and the greatest of a number, both allowed; None means none.
        description: what it does, with its unit.
        public: whether everybody may read it.
    """

    key: str
    field: str
    type: SettingType
    default: Value
    bounds: tuple[float, float] | None
    description: str
    public: bool

    @property
    def environment_name(self) -> str:
        """The variable of the environment that overrides the default."""
        return _ENVIRONMENT_PREFIX + self.key.upper().replace(".", "_")

    def parse(self, text: str) -> Value:
        """The value that this text means.

        Raises:
            Refusal: ``bad_request`` with the reason: not of the type, or out of bounds.
        """
        parse, wanted = _PARSERS[self.type]
        try:
            value = parse(text.strip())
        except ValueError:
            raise self._refusal(wanted) from None
        if not isinstance(value, str) and self.bounds and not self.bounds[0] <= value <= self.bounds[1]:
            raise self._refusal(f"a number from {self.bounds[0]:,} to {self.bounds[1]:,}")
        return value

    @staticmethod
    def text_of(value: Value) -> str:
        """The text that `parse` reads as this value."""
        return str(value).lower() if isinstance(value, bool) else str(value)

    def _refusal(self, wanted: str) -> Refusal:
        return Refusal(Code.BAD_REQUEST, f"{self.key} is {wanted}.", details={"key": self.key})


def _entry(
    key: str,
    default: Value,
    description: str,
    bounds: tuple[float, float] | None = None,
    *,
    public: bool = False,
) -> Any:
    return field(default=default, metadata={"entry": (key, description, bounds, public)})


@dataclass(frozen=True, slots=True)
class Settings:
    """The value of every setting at one moment."""

    credits_per_dollar: int = _entry(
        "credits.per_dollar", 10, "Credits that one dollar buys.", (1, 100_000), public=True
    )
    credits_allow_on_pending: bool = _entry(
        "credits.allow_on_pending", False, "Whether credits can be bought before a channel is on air.", public=True
    )
    contributions_min_cents: int = _entry(
        "contributions.min_cents",
        100,
        "The least that a contribution may be, in US cents.",
        (1, MAX_CONTRIBUTION_CENTS),
        public=True,
    )
    contributions_max_cents: int = _entry(
        "contributions.max_cents",
        100_000,
        "The most that a contribution may be, in US cents.",
        (1, MAX_CONTRIBUTION_CENTS),
        public=True,
    )
    chat_visitors_allowed: bool = _entry(
        "chat.visitors_allowed", True, "Whether people who are not signed in may chat.", public=True
    )
    chat_visitor_chats_per_day: int = _entry(
        "chat.visitor_chats_per_day",
        3,
        "Charged chats a day (UTC) for each visitor's session and for each address.",
        (0, 1_000_000),
        public=True,
    )
    chat_answer_tokens: int = _entry(
        "chat.answer_tokens", 2_048, "The longest answer, in tokens; never more than the chat has left.", (16, 50_000)
    )
    chat_follower_grace_seconds: float = _entry(
        "chat.follower_grace_seconds",
        120.0,
        "How long, in seconds, an answer goes on that nobody follows; then it is stopped and kept.",
        (0, 86_400),
    )
    ws_frame_bytes: int = _entry(
        "ws.frame_bytes", 65_536, "The largest frame of a client, in bytes.", (1_024, 65_536), public=True
    )
    ws_text_characters: int = _entry(
        "ws.text_characters", 16_000, "The longest message, in Unicode code points.", (1, 16_000), public=True
    )
    ws_chats_per_socket: int = _entry(
        "ws.chats_per_socket", 8, "Chats that one socket may follow.", (1, 1_000), public=True
    )
    ws_channels_per_socket: int = _entry(
        "ws.channels_per_socket", 8, "Channels that one socket may watch.", (1, 1_000), public=True
    )
    ws_sockets_per_identity: int = _entry(
        "ws.sockets_per_identity", 16, "Open sockets of one user or visitor; the oldest goes.", (1, 10_000)
    )
    ws_sockets_per_key: int = _entry("ws.sockets_per_key", 10_000, "Open sockets of one API key.", (1, 1_000_000))
    ws_sockets_per_address: int = _entry(
        "ws.sockets_per_address", 200, "Open sockets of one address; API keys are free of it.", (1, 1_000_000)
    )
    ws_commands_per_second: float = _entry(
        "ws.commands_per_second", 10.0, "Commands a second of one socket, in the long run.", (0.1, 10_000)
    )
    ws_commands_burst: int = _entry("ws.commands_burst", 20, "Commands of one socket at once.", (1, 10_000))

    limits_factor: float = _entry(
        "limits.factor", 1.0, "What every limit of requests is multiplied with (docs/security.md).", (0.01, 100_000)
    )

    def with_texts(self, texts: Mapping[str, str]) -> "Settings":
        """These settings with some of them replaced: ``texts`` has a text for each key.

        Raises:
            Refusal: ``not_found`` for a key that there is not, ``bad_request`` for a bad value.
        """
        values: dict[str, Any] = {known(key).field: known(key).parse(text) for key, text in texts.items()}
        return replace(self, **values)

    def value_of(self, setting: Setting) -> Value:
        """The value of this entry of the registry."""
        value: Value = getattr(self, setting.field)
        return value


def known(key: str) -> Setting:
    """The entry with this key.

    Raises:
        Refusal: ``not_found``.
    """
    if key not in REGISTRY:
        raise Refusal(Code.NOT_FOUND, f"There is no setting {key}.", details={"key": key})
    return REGISTRY[key]


def texts_from_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The texts by key that the variables with our prefix hold; they are not parsed yet.

    Raises:
        Refusal: ``not_found`` for a variable with our prefix that names no setting: most likely a slip of the pen.
    """
    keys = {setting.environment_name: setting.key for setting in REGISTRY.values()}
    texts = {}
    for name, text in environment.items():
        if name.startswith(_ENVIRONMENT_PREFIX):
            if name not in keys:
                raise Refusal(Code.NOT_FOUND, f"{name} names no setting.", details={"variable": name})
            texts[keys[name]] = text
    return texts


def _parse_text(text: str) -> str:
    if len(text) > _MAX_TEXT_CHARACTERS or "\0" in text:
        raise ValueError
    return text


def _parse_boolean(text: str) -> bool:
    if text not in {"true", "false"}:
        raise ValueError
    return text == "true"


def _parse_integer(text: str) -> int:
    if not (text.isascii() and text.removeprefix("-").isdigit()):
        raise ValueError  # int() also takes "1_000", "+5" and digits of other scripts
    return int(text)


def _parse_float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value) or "_" in text:
        raise ValueError
    return value


_PARSERS: Mapping[SettingType, tuple[Callable[[str], Value], str]] = {
    SettingType.STRING: (_parse_text, f"a text of at most {_MAX_TEXT_CHARACTERS:,} characters without U+0000"),
    SettingType.INTEGER: (_parse_integer, "a whole number"),
    SettingType.BOOLEAN: (_parse_boolean, "true or false"),
    SettingType.FLOAT: (_parse_float, "a number"),
}
_TYPES = {str: SettingType.STRING, int: SettingType.INTEGER, bool: SettingType.BOOLEAN, float: SettingType.FLOAT}


def _registry() -> dict[str, Setting]:
    entries = {}
    for each in fields(Settings):
        key, description, bounds, public = each.metadata["entry"]
        default: Any = each.default
        entries[key] = Setting(key, each.name, _TYPES[type(default)], default, bounds, description, public=public)
    return entries


REGISTRY: Mapping[str, Setting] = _registry()
"""Every setting there is, by its key."""
