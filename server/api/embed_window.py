"""The window in which somebody signs in for a chat on another site, and every page that it leads through.

The frame that has opened it waits for word from it, so these pages keep their opener; all others are cut off from
theirs.
"""

import re
from typing import Final
from urllib.parse import urlsplit

from starlette.responses import Response

from server.api.security_headers import OPENED, OPENER

_PATH: Final = re.compile(r"/embed/[^/]+/sign-in", re.ASCII)


def keeping_opener(response: Response, next_path: str) -> Response:
    """The same answer, with its opener kept where it leads back to such a window.

    Args:
        response: of a page on the way, or a redirect: either cuts off.
        next_path: where the way leads in the end, a path of this site.
    """
    if _PATH.fullmatch(urlsplit(next_path).path) is not None:
        response.headers[OPENER] = OPENED
    return response
