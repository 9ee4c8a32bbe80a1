"""Markdown of ours as HTML: the texts of the documents. Everything is escaped, headings can be linked to."""

import re
from itertools import pairwise
from typing import Final

from markdown_it import MarkdownIt
from markupsafe import Markup

_MARKDOWN: Final = MarkdownIt("commonmark", {"html": False})
_HEADING: Final = re.compile(r"^## (.+)$", re.MULTILINE)


def prose(text: str) -> Markup:
    """The text as HTML; a heading carries its `anchor_of` as id."""
    tokens = _MARKDOWN.parse(text)
    for opening, content in pairwise(tokens):
        if opening.type == "heading_open":
            opening.attrSet("id", anchor_of(content.content))
    return Markup(_MARKDOWN.renderer.render(tokens, _MARKDOWN.options, {}))  # noqa: S704 - html is off


def phrase(text: str) -> Markup:
    """A text of one paragraph, to stand within another element."""
    return Markup(_MARKDOWN.renderInline(text))  # noqa: S704 - html is off


def headings_of(text: str) -> list[str]:
    """The headings of the second level."""
    return _HEADING.findall(text)


def anchor_of(heading: str) -> str:
    """What a link to a heading ends with."""
    return re.sub(r"[^a-z0-9]+", "-", heading.lower()).strip("-")
