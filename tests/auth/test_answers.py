"""The query with which a provider sends the browser back: anybody can write one."""

import time
from collections.abc import Sequence

import pytest

from server.auth.signing_in import ANSWER_CHARACTERS_MAX, answer_of

LONGEST = "c" * ANSWER_CHARACTERS_MAX


@pytest.mark.parametrize(
    ("query", "answer"),
    [
        ([("code", "c"), ("state", "s")], {"code": "c", "state": "s"}),
        ([("code", "c"), ("code", "c"), ("state", "s")], {"state": "s"}),
        ([("state", "s"), ("code", "c"), ("state", "t"), ("state", "s")], {"code": "c"}),
        ([("code", LONGEST)], {"code": LONGEST}),
        ([("code", LONGEST + "c"), ("iss", "https://a.example")], {"iss": "https://a.example"}),
        ([("error", "access_denied\0")], {}),
        ([("scope", "openid"), ("authuser", "0"), ("scope", "email")], {}),
    ],
)
def test_each_word_counts_where_it_stands_once(query: Sequence[tuple[str, str]], answer: dict[str, str]) -> None:
    assert answer_of(query) == answer


def test_a_query_of_very_many_words_holds_nobody_up() -> None:
    query = [(f"{number:x}", "") for number in range(50_000)]
    before = time.process_time()
    assert answer_of([*query, ("code", "c")]) == {"code": "c"}
    assert time.process_time() - before < 2.0
