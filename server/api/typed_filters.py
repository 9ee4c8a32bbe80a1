"""What somebody has typed into the filters of a page, and what is wrong with it: the form shows both again."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import msgspec
from starlette.requests import Request

from server.api.queries import convert_query, read_query
from server.api.transaction_queries import TransactionFilterQuery
from server.domain.days import Days
from server.domain.errors import Refusal

_A_DAY: Final = "Write a day as 2026-11-28."
_A_CHOICE: Final = "Choose one of these."
NO_CHANNEL: Final = "There is no such channel."
HINTS: Final[Mapping[str, str]] = {
    "channel": NO_CHANNEL,
    "type": _A_CHOICE,
    "from": _A_DAY,
    "to": _A_DAY,
    "sort": _A_CHOICE,
}
"""The filters of a form, and what is said of one that cannot be read."""

Query = TypeVar("Query", bound=TransactionFilterQuery)


@dataclass(slots=True)
class TypedFilters(Generic[Query]):
    """The filters of one page.

    Attributes:
        query: what of them can be read; a wrong one is left out.
        typed: each one as it was typed, by name; empty where it was not.
        errors: what is wrong, by name.
    """

    query: Query
    typed: Mapping[str, str]
    errors: dict[str, str]

    @classmethod
    def of(cls, request: Request, shape: type[Query]) -> "TypedFilters[Query]":
        """Read them from the query string.

        Raises:
            Refusal: bad_request: what is wrong is none of the filters, so no form has sent it.
        """
        typed = {name: request.query_params.get(name, "") for name in HINTS}
        errors = {name: HINTS[name] for name, text in typed.items() if text and not _can_be_read(shape, name, text)}
        query = read_query(request, shape, only_known=True, left_out=errors)
        try:
            Days(query.from_, query.to)
        except Refusal as refusal:
            errors["to"] = refusal.message
            query = msgspec.structs.replace(query, to=None)
        return cls(query, typed, errors)


def _can_be_read(shape: type[msgspec.Struct], name: str, text: str) -> bool:
    if name not in {field.encode_name for field in msgspec.structs.fields(shape)}:
        return True
    try:
        convert_query({name: text}, shape)
    except Refusal:
        return False
    return True
