"""Addresses that lead somebody on, and never away from this site."""

from urllib.parse import urlsplit


def own_path(text: str) -> str | None:
    """A path of this site to lead somebody to; None when it is anything else, such as another site's address."""
    # Browsers take a backslash for a slash, and leave out control characters.
    if not text.startswith("/") or text.startswith("//") or "\\" in text or not text.isprintable():
        return None
    parts = urlsplit(text)
    return None if parts.scheme or parts.netloc else text
