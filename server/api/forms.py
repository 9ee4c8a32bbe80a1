"""Fields of forms that our own pages send."""

from typing import Final
from urllib.parse import parse_qsl

from starlette.requests import Request

from server.domain.errors import Code, Refusal

MEDIA_TYPE: Final = "application/x-www-form-urlencoded"
FIELDS_MAX: Final = 50


async def read_form(request: Request) -> dict[str, str]:
    """The fields of a form by their names; an empty field is an empty text. Its length was checked before.

    Raises:
        Refusal: bad_request: no form, not UTF-8, more than 50 fields, a name given twice, or U+0000 in it.
    """
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != MEDIA_TYPE:
        raise Refusal(Code.BAD_REQUEST, f"The body is to be {MEDIA_TYPE}.")
    try:
        text = (await request.body()).decode("ascii")  # a browser escapes everything else
        pairs = parse_qsl(
            text, keep_blank_values=True, strict_parsing=bool(text), errors="strict", max_num_fields=FIELDS_MAX
        )
    except ValueError as error:
        raise Refusal(Code.BAD_REQUEST, "The form cannot be read.") from error
    fields = dict(pairs)
    if len(fields) != len(pairs):
        raise Refusal(Code.BAD_REQUEST, "A field stands twice in the form.")
    if any("\0" in part for pair in pairs for part in pair):
        raise Refusal(Code.BAD_REQUEST, "A form may not contain U+0000.")
    return fields
