"""Adding a channel by hand: what an admin types in, checked, as a PENDING channel without money."""

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from asyncpg import UniqueViolationError

from server.channels.handles import is_handle
from server.domain.errors import Code, Refusal
from server.storage.ids import new_id
from server.storage.outages import outages_refused
from server.storage.postgres import Postgres

TITLE_CHARACTERS_MAX: Final = 100
DESCRIPTION_CHARACTERS_MAX: Final = 1_000
KNOWLEDGE_CHARACTERS_MAX: Final = 60_000
"""Far above what a chat is told (3,400 tokens): a whole notes file may be given, its beginning counts."""

PERSONA_CHARACTERS_MAX: Final = 8_000
ACTIVATION_GOAL_DEFAULT_CENTS: Final = 1_000
ACTIVATION_GOAL_MAX_CENTS: Final = 10_000_000


@dataclass(frozen=True, slots=True)
class NewChannel:
    """A channel to add.

    Attributes:
        name: the handle (`handles.handle_of` reads what people write).
        image: a path on this server, such as ``/static/pages/lab.webp``; the pages load nothing from elsewhere.
        subscriber_count: None means unknown, which is not 0. The next two likewise.
        model: None means the one of the configuration.
    """

    name: str
    title: str
    description: str = ""
    image: str | None = None
    subscriber_count: int | None = None
    video_count: int | None = None
    view_count: int | None = None
    activation_goal_cents: int = ACTIVATION_GOAL_DEFAULT_CENTS
    persona: str = ""
    knowledge: str = ""
    model: str | None = None


async def add_channel(postgres: Postgres, new: NewChannel, *, channel_id: UUID | None = None) -> UUID:
    """Add it, PENDING and without money.

    Args:
        channel_id: None makes a new one.

    Returns:
        The id of the channel.

    Raises:
        Refusal: bad_request, a value is out of bounds; conflict, the handle or the id is taken; unavailable.
    """
    check(new)
    channel_id = channel_id or new_id()
    try:
        with outages_refused():
            await postgres.pool.execute(
                "INSERT INTO channel (id, name, title, description, image, subscriber_count, video_count, view_count,"
                " activation_goal_cents, persona, knowledge, model)"
                " VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)",
                channel_id,
                new.name,
                new.title,
                new.description,
                new.image,
                new.subscriber_count,
                new.video_count,
                new.view_count,
                new.activation_goal_cents,
                new.persona,
                new.knowledge,
                new.model,
            )
    except UniqueViolationError as error:
        raise Refusal(Code.CONFLICT, f"There is a channel {new.name} already.") from error
    return channel_id


def check(new: NewChannel) -> None:
    """Check every value.

    Raises:
        Refusal: bad_request, it names the first value that is out of bounds.
    """
    if not is_handle(new.name):
        raise Refusal(Code.BAD_REQUEST, f"{new.name!r} is no handle.")
    _check_text("title", new.title, TITLE_CHARACTERS_MAX, required=True)
    _check_text("description", new.description, DESCRIPTION_CHARACTERS_MAX)
    _check_text("persona", new.persona, PERSONA_CHARACTERS_MAX)
    _check_text("knowledge", new.knowledge, KNOWLEDGE_CHARACTERS_MAX)
    if new.image is not None and (not new.image.startswith("/") or new.image.startswith("//")):
        raise Refusal(Code.BAD_REQUEST, "image is a path on this server, such as /static/pages/lab.webp.")
    _check_number("subscriber_count", new.subscriber_count, 0, 2**62)
    _check_number("video_count", new.video_count, 0, 2**62)
    _check_number("view_count", new.view_count, 0, 2**62)
    _check_number("activation_goal_cents", new.activation_goal_cents, 1, ACTIVATION_GOAL_MAX_CENTS)


def _check_text(field: str, text: str, characters_max: int, *, required: bool = False) -> None:
    if required and not text.strip():
        raise Refusal(Code.BAD_REQUEST, f"{field} may not be empty.")
    if len(text) > characters_max:
        raise Refusal(Code.BAD_REQUEST, f"{field} may have {characters_max:,} characters, this one has {len(text):,}.")
    if "\0" in text:
        raise Refusal(Code.BAD_REQUEST, f"{field} may not contain U+0000.")


def _check_number(field: str, number: int | None, lowest: int, highest: int) -> None:
    if number is not None and not lowest <= number <= highest:
        raise Refusal(Code.BAD_REQUEST, f"{field} is a number from {lowest:,} to {highest:,}.")
