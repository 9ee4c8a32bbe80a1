"""The reader of streams on the event loop of production."""

import asyncio

import pytest

from server.llm.answers import AnswerLimits, AnswerRequest, Answers
from server.llm.model import PromptMessage
from server.llm.openai_model import OpenAIModel
from server.llm.script import Pace
from server.llm.scripted_server import ScriptedServer
from tests.llm.conftest import options_for
from tests.support.waiting import eventually

uvloop = pytest.importorskip("uvloop")


async def scenario() -> None:
    server = ScriptedServer(Pace(1_000, 0))
    await server.start()
    model = OpenAIModel(options_for(server.base_url))
    answers = Answers(model, AnswerLimits(first_token_seconds=5, stall_seconds=0.2))

    async def whys(*prompts: str) -> list[str]:
        requests = [AnswerRequest([PromptMessage("user", prompt)], 500, "length") for prompt in prompts]
        asked = [answers.ask(request) for request in requests]
        for answer in asked:
            async for _ in answer:
                pass
        return [answer.end.why for answer in asked if answer.end is not None]

    assert await whys("[[tokens=300]]", "[[tokens=600]]", "again") == ["stop", "length", "stop"]
    assert len(server.connections) == 1
    assert await whys("[[break=stall]]", "[[break=cut]]", "[[break=401]]") == ["error"] * 3
    left = server.left_streams
    answer = answers.ask(AnswerRequest([PromptMessage("user", "[[tokens=400 rate=20]]")], 500, "length"))
    await anext(answer)
    await answer.aclose()
    await eventually(lambda: server.left_streams == left + 1)
    await model.aclose()
    await server.stop()


def test_answers_end_as_they_do_elsewhere() -> None:
    async def within_a_deadline() -> None:
        async with asyncio.timeout(20):
            await scenario()

    uvloop.run(within_a_deadline())
