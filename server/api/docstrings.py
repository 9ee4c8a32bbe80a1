"""Docstrings as the texts of documents: what a Struct is, and what its fields are."""

import inspect
import re
from typing import Final

import msgspec

_SECTION: Final = "\n\nAttributes:\n"
_ENTRY: Final = re.compile(r"^ {4}(\w+): (.*(?:\n {8}.*)*)", re.MULTILINE)


def text_of(subject: object) -> str:
    """A docstring without its sections, each paragraph on one line."""
    return _flowing((inspect.getdoc(subject) or "").partition(_SECTION)[0])


def field_texts(shape: type[msgspec.Struct]) -> dict[str, str]:
    """What the docstrings of a Struct and of its bases say about its fields, by their names on the wire."""
    told: dict[str, str] = {}
    for kind in reversed(shape.__mro__):
        section = inspect.cleandoc(vars(kind).get("__doc__") or "").partition(_SECTION)[2]
        told |= {name: _sentence(_flowing(text)) for name, text in _ENTRY.findall(section)}
    return {one.encode_name: told[one.name] for one in msgspec.structs.fields(shape) if one.name in told}


def _flowing(text: str) -> str:
    return "\n\n".join(" ".join(paragraph.split()) for paragraph in text.split("\n\n"))


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
