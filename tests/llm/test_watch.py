"""How the model is said to be, when it answers, says nothing, or cannot be warmed up."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs

from server.domain.errors import Code, Refusal
from server.llm.model import PromptMessage
from server.llm.openai_model import OpenAIModel
from server.llm.scripted_server import ScriptedServer
from server.llm.watch import ModelWatch, Reach
from tests.llm.conftest import options_for
from tests.llm.raw_server import RawServer
from tests.support.waiting import eventually


@asynccontextmanager
async def running(watch: ModelWatch) -> AsyncIterator[None]:
    task = asyncio.ensure_future(watch.run())
    yield
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_model_that_says_nothing_is_unavailable() -> None:
    async with RawServer() as server:
        server.answers.append((b"", False))
        model = OpenAIModel(options_for(server.base_url))
        watch = ModelWatch(model, None, probe_timeout_seconds=0.2)
        async with running(watch):
            await eventually(lambda: watch.reach is Reach.UNAVAILABLE)
        assert not watch.was_reached
        await model.aclose()


@pytest.mark.parametrize("code", [Code.UNAVAILABLE, Code.TOO_LARGE, Code.NOT_FOUND])
async def test_prompts_that_cannot_be_had_are_no_fault_of_the_model(upstream: ScriptedServer, code: Code) -> None:
    async def prompts() -> Sequence[Sequence[PromptMessage]]:
        raise Refusal(code, "The prompts cannot be had.")

    model = OpenAIModel(options_for(upstream.base_url))
    watch = ModelWatch(model, prompts)
    with capture_logs() as logged:
        async with running(watch):
            await eventually(lambda: watch.reach is not Reach.WARMING)
    assert watch.reach is Reach.READY
    assert [line["event"] for line in logged] == ["model_still_cold"]
    await model.aclose()


async def test_a_model_that_fails_while_it_is_warmed_up_is_unavailable(upstream: ScriptedServer) -> None:
    async def prompts() -> Sequence[Sequence[PromptMessage]]:
        return [[PromptMessage("user", "[[break=500]]")]]

    model = OpenAIModel(options_for(upstream.base_url))
    watch = ModelWatch(model, prompts)
    async with running(watch):
        await eventually(lambda: watch.reach is Reach.UNAVAILABLE)
    await model.aclose()
