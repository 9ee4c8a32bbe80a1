"""What the single routes do not say, in Markdown; figures come from the code."""

from collections.abc import Mapping
from typing import Final

from server.api.body_limit import REQUEST_BODY_BYTES_MAX
from server.api.webhooks import WEBHOOK_BODY_BYTES_MAX
from server.auth.cookies import HOST_NAME, LOOPBACK_NAME
from server.domain.pages import PAGE_ITEMS_DEFAULT, PAGE_ITEMS_MAX

GUIDE: Final = f"""\
Channels, and the caller's chats to find and to read again. Asking goes over the websocket, which has
[a document of its own](/api/docs/websocket).

The contract changes only by adding: pass over fields that you do not know.

## Who is calling

The `GET` of any page gives a session cookie to a caller without one: `{HOST_NAME}`, or `{LOOPBACK_NAME}` where the site
is plain http on a loopback host. It stands for a visitor until somebody signs in with it. Chats belong to it; what is
somebody else's looks as if it did not exist. With a cookie, a request that changes something needs an `Origin` of the
site itself.

A program may have an API key instead, which whoever runs the server makes: `Authorization: Bearer tl_…`. A key counts
where it is sent, right or wrong, and no cookie beside it. It has chats of its own.

## Values

Names are in camelCase. Money is in whole US cents, credits and tokens are whole numbers, times are RFC 3339 in UTC, ids
are opaque. What is not known is null.

## Lists

A list takes `limit` (up to {PAGE_ITEMS_MAX}, {PAGE_ITEMS_DEFAULT} without it) and `cursor`, and answers `items`,
`nextCursor` and `prevCursor`. A cursor is opaque and belongs to one list with its sort and its filters. A name that the
list does not have, or that stands twice, is refused; an empty value counts as none.

## Refusals

A refusal is a problem document (RFC 9457) with media type `application/problem+json`. `code` is for programs and the
same word that the websocket has, `detail` is for people, `retry` says whether the same request may be sent again, and
`after` (and the header Retry-After) when. Pages answer with a page whoever accepts one.

A method that a route does not have is 405 with `Allow`; every `GET` answers `HEAD` too. A body of more than
{REQUEST_BODY_BYTES_MAX:,} bytes ({WEBHOOK_BODY_BYTES_MAX:,} of a webhook) is 413. An address that leads nowhere is 404.
"""

TAGS: Final[Mapping[str, str]] = {
    "Channels": "What a channel is, how it stands, and what it has left.",
    "Contributions": "Putting a channel on air, and buying credits for it. Money moves at the payment provider.",
    "Chats": "The chats of the caller, and the way to the websocket without a cookie.",
    "Transactions": "Who gave what, to a channel and as the caller: lists, what they come to, and files.",
    "Badges": "What there is to earn, what the caller has earned, and who earned what on a channel.",
    "Account": "Who the caller is, the ways in which they sign in, their sessions and their API keys.",
    "Administration": "For signed-in admins alone: everybody else is refused as `forbidden`.",
    "Pages": "What people look at.",
    "Documents": "This document, and that of the websocket.",
    "Operation": "For whoever runs the server.",
}
"""The headings, in their order, with what stands under them."""
