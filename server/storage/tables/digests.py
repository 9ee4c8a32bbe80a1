"""Columns that hold SHA-256 digests."""

from typing import Any

from sqlalchemy import CheckConstraint, Column, LargeBinary


def sha256_column(name: str, *, optional: bool = False) -> Column[Any]:
    """A SHA-256 digest: 32 bytes (`sha256_check` keeps it so)."""
    return Column(name, LargeBinary, nullable=optional)


def sha256_check(column: str) -> CheckConstraint:
    """A digest of another length is a bug of the writer."""
    return CheckConstraint(f"octet_length({column}) = 32", name=f"{column}_is_sha256")
