"""Ids that stand for nothing."""

from typing import Final

ABSENT_ID: Final = "0193a000-0000-7000-8000-000000000000"
"""A well-formed id that no row has; the same in every process, so that names of tests do not differ."""
