"""A desk that takes news."""

import pytest

from tests.ledger.books import Books
from tests.ledger.payments.news import Desk


@pytest.fixture
def desk(books: Books) -> Desk:
    return Desk(books)
