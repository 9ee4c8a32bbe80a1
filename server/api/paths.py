"""What the names in the paths of routes are."""

from typing import Annotated
from uuid import UUID

import msgspec


class ChannelPath(msgspec.Struct, frozen=True):
    """The path of one channel.

    Attributes:
        name: handle, in any case, or id of the channel.
    """

    name: Annotated[str, msgspec.Meta(examples=["deep-sea-lab"])]


class ChatPath(msgspec.Struct, frozen=True):
    """The path of one chat.

    Attributes:
        id: id of the chat.
    """

    id: UUID


class ContributionPath(msgspec.Struct, frozen=True):
    """The path of one contribution.

    Attributes:
        id: id of the contribution.
    """

    id: UUID


class StaticPath(msgspec.Struct, frozen=True):
    """The path of one file.

    Attributes:
        path: path of the file below the folder; it may have slashes.
    """

    path: Annotated[str, msgspec.Meta(examples=["site.css"])]


class TransactionPath(msgspec.Struct, frozen=True):
    """The path of one transaction.

    Attributes:
        id: id of the transaction.
    """

    id: UUID


class SessionPath(msgspec.Struct, frozen=True):
    """The path of one session.

    Attributes:
        id: id of the session.
    """

    id: UUID
