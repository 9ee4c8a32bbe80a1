"""Answers stay within their budget, report thresholds, and end as they should."""

import asyncio

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.domain.errors import Code, Refusal
from server.domain.meter import BudgetReason
from server.llm.answers import Answer, AnswerLimits, AnswerRequest, Answers, Piece
from server.llm.model import Fault, Finish, PromptMessage, provider_refusal
from server.llm.scripted_model import ScriptedModel
from server.llm.tokens import count
from tests.llm.played_model import PlayedModel
from tests.llm.texts import chunk_lengths, cut, texts

LIMITS = AnswerLimits(concurrent_answers=2, first_token_seconds=5, stall_seconds=5)
PLENTY = 1_000_000


def ask(
    model: PlayedModel | ScriptedModel,
    *,
    budget: int = PLENTY,
    reason: BudgetReason = "cap",
    thresholds: tuple[int, ...] = (),
    limits: AnswerLimits = LIMITS,
    prompt: str = "Who?",
) -> Answer:
    messages = [PromptMessage("user", prompt)]
    return Answers(model, limits).ask(AnswerRequest(messages, budget, reason, thresholds))


async def pieces_of(answer: Answer) -> list[Piece]:
    return [piece async for piece in answer]


def text_of(pieces: list[Piece]) -> str:
    return "".join(piece.text for piece in pieces)


def why(answer: Answer) -> str:
    assert answer.end is not None
    return answer.end.why


def fault(answer: Answer) -> object:
    assert answer.end is not None
    assert answer.end.error is not None
    assert answer.end.error.code is Code.PROVIDER_ERROR
    return answer.end.error.details["fault"]


@settings(deadline=None, max_examples=200)
@given(texts, chunk_lengths, chunk_lengths, st.integers(1, 300), st.lists(st.integers(1, 300), max_size=3, unique=True))
def test_an_answer_never_passes_its_budget_and_reports_each_threshold_once(
    text: str, lengths: list[int], joins: list[int], budget: int, marks: list[int]
) -> None:
    text = text.replace("\0", " ")
    chunks = cut(text, lengths)
    reads = [chunks[start : start + joins[0]] for start in range(0, len(chunks), joins[0])]

    async def run() -> None:
        answer = ask(PlayedModel(reads), budget=budget, thresholds=tuple(sorted(marks)))
        given_text, crossed = "", list[int]()
        async for piece in answer:
            given_text += piece.text
            tokens = count(given_text)
            assert tokens <= budget
            crossed += piece.crossed
            assert all(mark <= tokens for mark in piece.crossed)
            assert all(mark in crossed for mark in marks if mark <= tokens), "a threshold is reported late"
        assert crossed == sorted(set(crossed))
        assert await answer.count_tokens() == count(given_text)
        assert text.startswith(given_text)
        if why(answer) == "stop":
            assert given_text == text
        elif why(answer) == "cap":
            assert len(given_text) < len(text)
        else:
            assert not given_text

    asyncio.run(run())


@settings(deadline=None, max_examples=100)
@given(st.lists(st.text(st.sampled_from('a"é\0😀\ud83d\ude00\n '), max_size=6).filter(bool), max_size=30))
def test_all_chunks_are_told_and_all_text_is_clean(chunks: list[str]) -> None:
    async def run() -> None:
        pieces = await pieces_of(ask(PlayedModel([[chunk] for chunk in chunks])))
        whole = "".join(chunks).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        assert text_of(pieces) == whole.replace("\0", "\ufffd")
        assert sum(piece.chunks for piece in pieces) in (len(chunks), len(chunks) + 1)
        assert all(piece.text and piece.chunks >= 1 for piece in pieces)

    asyncio.run(run())


async def test_what_one_read_brought_is_one_piece() -> None:
    pieces = await pieces_of(ask(PlayedModel([["one"], [" two", " three"]])))
    assert pieces == [Piece("one", 1), Piece(" two three", 2)]


async def test_halves_of_a_character_become_one_piece_of_two_chunks() -> None:
    pieces = await pieces_of(ask(PlayedModel([["\ud83d"], ["\ude00"], ["\0"]])))
    assert pieces == [Piece("😀", 2), Piece("\ufffd", 1)]


@pytest.mark.parametrize("reason", ["cap", "length"])
async def test_a_cut_answer_says_what_it_ran_into(reason: BudgetReason) -> None:
    answer = ask(PlayedModel([["one two three four five"]]), budget=3, reason=reason)
    assert text_of(await pieces_of(answer)) == "one two three"
    assert why(answer) == reason


async def test_an_answer_that_just_fits_is_whole() -> None:
    answer = ask(PlayedModel([["one two three"]]), budget=3)
    assert text_of(await pieces_of(answer)) == "one two three"
    assert why(answer) == "stop"


@pytest.mark.parametrize(
    ("finish", "reason", "expected"),
    [
        ("stop", "cap", "stop"),
        ("length", "length", "length"),
        ("length", "cap", "cap"),
        ("filter", "cap", "filter"),
    ],
)
async def test_the_models_own_reason(finish: Finish, reason: BudgetReason, expected: str) -> None:
    answer = ask(PlayedModel([["text"]], finish), reason=reason)
    await pieces_of(answer)
    assert why(answer) == expected
    assert answer.end is not None
    assert answer.end.usage is not None


@pytest.mark.parametrize("reads", [[], [["b" * 40]]])
async def test_an_answer_without_text_is_an_error(reads: list[list[str]]) -> None:
    answer = ask(PlayedModel(reads), budget=0)
    assert await pieces_of(answer) == []
    assert fault(answer) == Fault.EMPTY


async def test_an_error_keeps_what_came_before() -> None:
    answer = ask(PlayedModel([["partly"]], error=provider_refusal(Fault.CUT)))
    assert text_of(await pieces_of(answer)) == "partly"
    assert fault(answer) == Fault.CUT


async def test_an_answer_ends_before_its_json_is_too_long() -> None:
    limits = AnswerLimits(json_bytes=1_000)
    answer = ask(PlayedModel([['"é\n'] for _ in range(1_000)]), limits=limits)
    text = text_of(await pieces_of(answer))
    assert why(answer) == "length"
    assert 990 < len(msgspec.json.encode(text)) - 2 < 1_000


async def test_one_huge_chunk_is_cut_by_its_json_and_by_its_budget() -> None:
    limits = AnswerLimits(json_bytes=50_000)
    answer = ask(PlayedModel([["word " * 40_000]]), limits=limits)
    assert len(text_of(await pieces_of(answer))) == 49_999
    answer = ask(PlayedModel([["word " * 40_000]]), budget=1_000)
    assert count(text_of(await pieces_of(answer))) == 1_000


async def test_the_tokens_so_far_are_shown_while_it_goes_on() -> None:
    answer = ask(PlayedModel([["one two"], [" three"]]))
    await anext(answer)
    assert answer.tokens_now() == 2
    await anext(answer)
    assert answer.tokens_now() == 3
    await answer.aclose()


async def test_too_many_answers_at_once_are_refused_until_one_is_over() -> None:
    answers = Answers(PlayedModel([["text"]]), LIMITS)
    request = AnswerRequest([PromptMessage("user", "Who?")], 100, "cap")
    first, second = answers.ask(request), answers.ask(request)
    with pytest.raises(Refusal) as refused:
        answers.ask(request)
    assert refused.value.code is Code.OVERLOADED
    assert refused.value.after_seconds == LIMITS.retry_after_seconds
    await pieces_of(first)
    await second.aclose()
    assert answers.running == 0
    await answers.ask(request).aclose()


async def test_a_closed_answer_ends_as_closed_and_may_be_closed_again() -> None:
    async with ask(PlayedModel([["one"], ["two"]])) as answer:
        await anext(answer)
    await answer.aclose()
    assert await pieces_of(answer) == []
    assert why(answer) == "closed"
    assert await answer.count_tokens() == 1


async def test_an_answer_may_be_closed_while_another_task_waits_for_it() -> None:
    answer = ask(ScriptedModel(), prompt="[[tokens=50 rate=1000 delay_ms=0 break=stall]]")
    has_begun = asyncio.Event()

    async def follow() -> list[Piece]:
        pieces = []
        async for piece in answer:
            pieces.append(piece)
            if len(pieces) == 5:
                has_begun.set()
        return pieces

    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        following = tasks.create_task(follow())
        await has_begun.wait()
        await answer.aclose()
    assert len(following.result()) == 5
    assert why(answer) == "closed"


async def test_a_reader_that_is_cancelled_loses_no_count() -> None:
    answer = ask(ScriptedModel(), prompt="[[tokens=50 rate=1000 delay_ms=0 break=stall]]")
    pieces = [await anext(answer) for _ in range(5)]
    waiting = asyncio.ensure_future(anext(answer))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    await answer.aclose()
    assert await answer.count_tokens() == count(text_of(pieces))


@pytest.mark.parametrize(
    ("prompt", "expected"),
    [("[[delay_ms=60000]]", Fault.SLOW_START), ("[[delay_ms=0 rate=0 break=stall]]", Fault.STALLED)],
)
async def test_patience_ends(prompt: str, expected: Fault) -> None:
    limits = AnswerLimits(first_token_seconds=0.2, stall_seconds=0.1)
    async with asyncio.timeout(5):
        answer = ask(ScriptedModel(), limits=limits, prompt=prompt)
        await pieces_of(answer)
    assert fault(answer) == expected


async def test_a_slow_model_is_waited_for_between_tokens() -> None:
    limits = AnswerLimits(first_token_seconds=0.3, stall_seconds=0.3)
    answer = ask(ScriptedModel(), limits=limits, prompt="[[tokens=6 rate=10 delay_ms=200]]")
    assert len(await pieces_of(answer)) == 6
    assert why(answer) == "stop"
