"""What a user may be."""

from enum import StrEnum


class UserRole(StrEnum):
    """The role of a signed-in user; the first ADMIN is made on the command line only."""

    ADMIN = "ADMIN"
    USER = "USER"
