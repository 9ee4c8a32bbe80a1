"""What every model does, however it is reached."""

import asyncio

import pytest

from server.llm.answers import Answer, AnswerLimits, AnswerRequest, Answers
from server.llm.model import Fault, Model, PromptMessage, ProviderUsage
from server.llm.script import BREAK_AFTER_TOKENS, RETRY_AFTER_SECONDS, Breakage, Pace, plan
from server.llm.tokens import count

BUDGET_TOKENS = 2_048
CONCURRENT_STREAMS = 200


def ask(model: Model, prompt: str, budget: int = BUDGET_TOKENS, limits: AnswerLimits | None = None) -> Answer:
    limits = limits or AnswerLimits(first_token_seconds=10, stall_seconds=10)
    return Answers(model, limits).ask(AnswerRequest(messages(prompt), budget, "length"))


def messages(prompt: str) -> list[PromptMessage]:
    return [PromptMessage("system", "You are a diver."), PromptMessage("user", prompt)]


def scripted_text(prompt: str) -> str:
    return "".join(plan(messages(prompt), BUDGET_TOKENS, Pace()).chunks)


async def read(answer: Answer) -> str:
    async with asyncio.timeout(20):
        return "".join([piece.text async for piece in answer])


def why(answer: Answer) -> str:
    assert answer.end is not None
    return answer.end.why


async def test_the_whole_text_arrives_chunk_by_chunk(model: Model) -> None:
    answer = ask(model, "How do squids glow? [[tokens=300]]")
    pieces = [piece async for piece in answer]
    assert "".join(piece.text for piece in pieces) == scripted_text("How do squids glow? [[tokens=300]]")
    assert sum(piece.chunks for piece in pieces) == 300
    assert why(answer) == "stop"


async def test_the_provider_tells_its_usage(model: Model) -> None:
    answer = ask(model, "How do squids glow? [[tokens=30]]")
    await read(answer)
    assert answer.end is not None
    prompt_tokens = sum(count(message.content) for message in messages("How do squids glow? [[tokens=30]]"))
    assert answer.end.usage == ProviderUsage(prompt_tokens, 30)


async def test_the_model_keeps_to_the_budget_it_is_given(model: Model) -> None:
    answer = ask(model, "[[tokens=300]]", budget=40)
    assert count(await read(answer)) <= 40
    assert why(answer) == "length"
    assert answer.end is not None
    assert answer.end.usage is not None
    assert answer.end.usage.completion_tokens == 40


@pytest.mark.parametrize(
    ("prompt", "fault", "tokens"),
    [
        ("[[break=401]]", Fault.UNAUTHORIZED, 0),
        ("[[break=429]]", Fault.RATE_LIMITED, 0),
        ("[[break=500]]", Fault.FAILING, 0),
        ("[[break=empty]]", Fault.EMPTY, 0),
        ("[[tokens=0]]", Fault.EMPTY, 0),
        ("[[tokens=300 fail_at=1]]", Fault.FAILING, 0),
        ("[[tokens=300 fail_at=20]]", Fault.FAILING, 19),
        ("[[tokens=300 break=cut]]", Fault.CUT, BREAK_AFTER_TOKENS),
        ("[[tokens=300 break=cut fail_at=1]]", Fault.CUT, 0),
        ("[[tokens=300 break=garbage]]", Fault.GARBLED, BREAK_AFTER_TOKENS),
        ("[[tokens=300 break=stall]]", Fault.STALLED, BREAK_AFTER_TOKENS),
        ("[[tokens=300 break=stall fail_at=1]]", Fault.SLOW_START, 0),
        ("[[delay_ms=60000]]", Fault.SLOW_START, 0),
    ],
)
async def test_what_goes_wrong_is_the_end_of_the_answer(model: Model, prompt: str, fault: Fault, tokens: int) -> None:
    answer = ask(model, prompt, limits=AnswerLimits(first_token_seconds=0.5, stall_seconds=0.3))
    assert count(await read(answer)) == tokens
    assert answer.end is not None
    assert answer.end.why == "error"
    assert answer.end.error is not None
    assert answer.end.error.details["fault"] == fault
    assert answer.end.error.temporary


async def test_a_provider_that_asks_for_patience_is_quoted(model: Model) -> None:
    answer = ask(model, "[[break=429]]")
    await read(answer)
    assert answer.end is not None
    assert answer.end.error is not None
    assert answer.end.error.after_seconds == RETRY_AFTER_SECONDS


async def test_what_the_provider_withholds_is_told(model: Model) -> None:
    answer = ask(model, f"[[tokens=12 break={Breakage.FILTER}]]")
    assert count(await read(answer)) == 12
    assert why(answer) == "filter"


async def test_characters_that_cannot_be_stored_are_replaced(model: Model) -> None:
    text = await read(ask(model, "[[tokens=4 break=nul]]"))
    assert "\ufffda\ufffdb" in text
    assert "\0" not in text


async def test_halves_of_characters_are_joined_or_replaced(model: Model) -> None:
    text = await read(ask(model, "[[tokens=4 break=surrogates]]"))
    assert "😀 alone: 😀\ufffd" in text


async def test_an_answer_can_be_closed_before_it_begins(model: Model) -> None:
    answer = ask(model, "[[delay_ms=60000]]")
    async with asyncio.TaskGroup() as tasks:
        reading = tasks.create_task(read(answer))
        await asyncio.sleep(0)
        await answer.aclose()
    assert reading.result() == ""
    assert why(answer) == "closed"


async def test_an_answer_can_be_closed_while_it_goes_on(model: Model) -> None:
    answer = ask(model, "[[tokens=300 break=stall]]")
    async with asyncio.timeout(20):
        text = ""
        while count(text) < BREAK_AFTER_TOKENS:
            text += (await anext(answer)).text
        async with asyncio.TaskGroup() as tasks:
            reading = tasks.create_task(read(answer))
            await asyncio.sleep(0)
            await answer.aclose()
    assert reading.result() == ""
    assert why(answer) == "closed"


async def test_a_cancelled_reader_leaves_an_answer_that_can_be_closed(model: Model) -> None:
    answer = ask(model, "[[delay_ms=60000]]")
    reading = asyncio.ensure_future(read(answer))
    await asyncio.sleep(0)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    await answer.aclose()
    assert await answer.count_tokens() == 0


async def test_many_answers_at_once_do_not_wait_for_each_other(model: Model) -> None:
    answers = Answers(model, AnswerLimits(concurrent_answers=CONCURRENT_STREAMS))
    prompts = [f"Question {number} [[tokens=20 rate=20]]" for number in range(CONCURRENT_STREAMS)]
    asked = [answers.ask(AnswerRequest(messages(prompt), BUDGET_TOKENS, "length")) for prompt in prompts]
    running = asyncio.gather(*(read(answer) for answer in asked))
    assert await running == [scripted_text(prompt) for prompt in prompts]
    assert answers.running == 0


async def test_it_can_be_reached(model: Model) -> None:
    await model.probe()
    assert model.name == "scripted"
    assert model.window_tokens == 128_000
    assert not model.english_only
