"""The vocabulary, counting, cutting."""

import asyncio
import gzip
import hashlib
import time
from pathlib import Path

import pytest
import tiktoken
from hypothesis import given, settings
from hypothesis import strategies as st

from server.llm import tokens
from server.llm.boundaries import last_boundary
from tests.llm.encoded import Encoded
from tests.llm.texts import clean_texts, texts

BOUND_SECONDS = 2.0
HOSTILE_UNITS = ["a", "Aa", " ", "=", "\u0301", "本", "\n"]


def test_the_vocabulary_is_o200k_base() -> None:
    assert tokens.encoding().encode_ordinary("hello world") == [24912, 2375]
    assert tokens.encoding().n_vocab == 200_019


def test_it_encodes_as_the_published_definition_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = "https://openaipublic.blob.core.windows.net/encodings/o200k_base.tiktoken"
    cached = tmp_path / hashlib.sha1(address.encode()).hexdigest()
    cached.write_bytes(gzip.decompress(tokens.VOCABULARY.read_bytes()))
    monkeypatch.setenv("TIKTOKEN_CACHE_DIR", str(tmp_path))
    published = tiktoken.get_encoding("o200k_base")

    @settings(deadline=None, max_examples=200)
    @given(texts)
    def same(text: str) -> None:
        assert tokens.encoding().encode_ordinary(text) == published.encode_ordinary(text)

    same()


def test_a_damaged_vocabulary_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    damaged = tmp_path / "damaged.gz"
    damaged.write_bytes(gzip.compress(b"AA== 0\n"))
    monkeypatch.setattr(tokens, "VOCABULARY", damaged)
    with pytest.raises(RuntimeError, match="damaged"):
        tokens.encoding.__wrapped__()


def test_markers_are_plain_text() -> None:
    assert tokens.count("<|endoftext|>") > 1


@pytest.mark.parametrize("unit", HOSTILE_UNITS)
async def test_hostile_texts_are_counted_in_bounded_time_off_the_loop(unit: str) -> None:
    text = unit * 100_000
    turns = 0

    async def watch() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    watching = asyncio.ensure_future(watch())
    started = time.perf_counter()
    counted = await tokens.count_off_loop(text)
    assert time.perf_counter() - started < BOUND_SECONDS
    watching.cancel()
    assert counted == tokens.count(text)
    assert turns > 1, "the event loop stood still"


async def test_short_texts_are_counted_at_once() -> None:
    assert await tokens.count_off_loop("hello world") == 2


@settings(deadline=None, max_examples=300)
@given(texts, st.data())
def test_a_text_may_be_cut_at_a_boundary(text: str, data: st.DataObject) -> None:
    end = data.draw(st.integers(0, max(0, len(text) - 1)))
    place = last_boundary(text, end)
    assert place <= end
    assert tokens.count(text[:place]) + tokens.count(text[place:]) == tokens.count(text)


@settings(deadline=None, max_examples=300)
@given(clean_texts, st.integers(0, 200), st.integers(0, 40))
def test_the_longest_prefix_fits_and_is_the_longest(text: str, budget_tokens: int, sent: int) -> None:
    sent = min(sent, len(text))
    while tokens.count(text[:sent]) > budget_tokens:
        sent -= 1
    kept = tokens.longest_prefix_within(text, budget_tokens, sent)
    assert sent <= kept <= len(text)
    assert tokens.count(text[:kept]) <= budget_tokens
    longer = range(kept + 1, min(kept + tokens.LONGEST_TOKEN_CHARACTERS // 2, len(text)) + 1)
    assert all(tokens.count(text[:length]) > budget_tokens for length in longer)


def test_a_prefix_is_never_cut_inside_a_code_point() -> None:
    text = "👩‍👩‍👧" * 50
    for budget_tokens in range(40):
        kept = tokens.longest_prefix_within(text, budget_tokens)
        assert tokens.count(text[:kept]) <= budget_tokens


def test_nothing_fits_into_no_budget() -> None:
    assert tokens.longest_prefix_within("hello", 0) == 0


def test_what_was_sent_is_never_undercut() -> None:
    assert tokens.longest_prefix_within("hello world again", 1, not_shorter_than=11) == 11


UNSPACED_UNITS = ["a", "=", "本", "ประภาคารแห่งนี้ตั้งอยู่บนเกาะ"]


@pytest.mark.parametrize("unit", UNSPACED_UNITS)
def test_a_long_text_without_spaces_is_encoded_a_dozen_times_at_most(
    monkeypatch: pytest.MonkeyPatch, unit: str
) -> None:
    text = (unit * 100_000)[:100_000]
    budget_tokens = tokens.count(text) - 50
    encoded = Encoded(monkeypatch)
    tokens.longest_prefix_within(text, budget_tokens)
    assert encoded.characters <= 12 * len(text)


@pytest.mark.parametrize("unit", UNSPACED_UNITS)
def test_a_long_text_without_spaces_falls_a_few_tokens_short_at_most(unit: str) -> None:
    text = (unit * 20_000)[:20_000]
    budget_tokens = tokens.count(text) - 50
    kept = tokens.longest_prefix_within(text, budget_tokens)
    assert budget_tokens - 4 <= tokens.count(text[:kept]) <= budget_tokens


@settings(deadline=None, max_examples=100)
@given(texts, st.data())
def test_a_prefix_of_any_text_fits(text: str, data: st.DataObject) -> None:
    budget_tokens = data.draw(st.integers(0, tokens.count(text)))
    assert tokens.count(text[: tokens.longest_prefix_within(text, budget_tokens)]) <= budget_tokens
