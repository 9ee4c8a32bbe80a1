"""Comma-separated values by RFC 4180, as spreadsheets may open them."""

import csv
import io
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Final, TypeAlias
from uuid import UUID

MEDIA_TYPE: Final = "text/csv; charset=utf-8; header=present"
LINE_END: Final = "\r\n"
FORMULA_SIGNS: Final = "=+-@\t\r\n＝＋－＠"
"""What a text may not begin with: spreadsheets would compute it. The wide forms are what some take for the others."""
_FORMULA: Final = re.compile(rf"(?:^|(?<=;))(?=\s*[{re.escape(FORMULA_SIGNS)}])")

Cell: TypeAlias = str | int | Decimal | datetime | UUID | Enum | None


def csv_text(rows: Iterable[Sequence[Cell]]) -> bytes:
    """The rows as lines of UTF-8, each with its line end.

    A text that a spreadsheet would take for a formula gets an apostrophe in front, which spreadsheets show as none.
    Numbers are ours and stay numbers, negative ones too. None is an empty cell, a time is RFC 3339 in UTC.
    """
    written = io.StringIO()
    csv.writer(written, lineterminator=LINE_END).writerows([[_written(cell) for cell in row] for row in rows])
    return written.getvalue().encode()


def safe_text(text: str) -> str:
    """The text, with an apostrophe in front where it would be a formula; white space in front does not hide one. Where
    the comma is a decimal point, spreadsheets take a semicolon for the end of a cell: what follows one is looked at
    alike."""
    return _FORMULA.sub("'", text)


def _written(cell: Cell) -> str:
    match cell:
        case None:
            return ""
        case datetime():
            return cell.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case Enum():
            return str(cell.value)
        case str():
            return safe_text(cell)
        case _:
            return str(cell)
