"""What all tables share: the naming of constraints, and columns that look the same everywhere.

Decisions that hold for every table: ids are UUIDs made by the program, money is bigint cents, words of a closed set are
text with a CHECK (a new word is one small migration, and every client reads them as they are), and the clock is
Postgres's, read when the row is written (`clock_timestamp()`), not when its transaction began.
"""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    MetaData,
    Text,
    Uuid,
    text,
)

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)
"""Every table of the program. Import `server.storage.tables` to have it complete."""


def id_column() -> Column[Any]:
    """The primary key: a UUIDv7 from `server.storage.ids`, without a default in the database."""
    return Column("id", Uuid, primary_key=True)


def reference(name: str, target: str, *, optional: bool = False) -> Column[Any]:
    """A reference to another table's ``id``; nothing cascades: rows that others speak of stay."""
    return Column(name, Uuid, ForeignKey(f"{target}.id"), nullable=optional)


def moment(name: str, *, required: bool = False) -> Column[Any]:
    """A point in time that the writer knows; NULL, unless it is required, means "not so far" or "never"."""
    return Column(name, DateTime(timezone=True), nullable=not required)


def moment_of_writing(name: str = "created_at") -> Column[Any]:
    """When the row was written, by Postgres's clock. Under a lock it is later than every row written before it."""
    return Column(name, DateTime(timezone=True), nullable=False, server_default=text("clock_timestamp()"))


def words(name: str, *, default: str | None = None) -> Column[Any]:
    """Text that is always there; ``default`` is the database's default, None means none."""
    return Column(name, Text, nullable=False, server_default=None if default is None else text(f"'{default}'"))


def one_of(column: str, allowed: Iterable[str]) -> CheckConstraint:
    """The column holds one of these words."""
    listed = ", ".join(f"'{word}'" for word in allowed)
    return CheckConstraint(f"{column} IN ({listed})", name=column)
