"""Each scenario of the load tests once, small: a gateway in this loop, the stamping model, real fans."""

import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from load_tests.first_token import first_token
from load_tests.idle import idle
from load_tests.meter import microseconds_per_token
from load_tests.servers import RunningServer
from load_tests.stage import Stage
from load_tests.stamps import stamped
from load_tests.steady import SteadyPlan, steady
from server.config import ModelKind
from server.llm.script import Pace
from server.llm.scripted_server import ScriptedServer
from tests.support.gateways import SCRIPTED, local_gateway
from tests.support.world import made_world


@pytest.fixture
async def stage(postgres_url: str, redis_url: str, tmp_path: Path) -> AsyncIterator[Stage]:
    """Services as the load tests start them, but the model in this loop."""
    model = ScriptedServer(Pace(100, 10), retouch=stamped)
    await model.start()
    yield Stage(postgres_url, redis_url, model.base_url, {"upstream": os.getpid()}, tmp_path)
    await model.stop()


@pytest.fixture
async def server(stage: Stage) -> AsyncIterator[RunningServer]:
    """A gateway that asks that model; clean books at the end."""
    model = replace(SCRIPTED, kind=ModelKind.OPENAI, base_url=stage.model_url, api_key="none")
    settings = {"chat.answer_tokens": "50000"}
    async with (
        made_world(stage.postgres_url, stage.redis_url),
        local_gateway(stage.postgres_url, stage.redis_url, model=model, settings=settings) as running,
    ):
        yield RunningServer("tallylight", running.url, os.getpid())


async def test_steady_answers_are_whole_and_measured(stage: Stage, server: RunningServer) -> None:
    run = await steady(stage, server, SteadyPlan(3, 0.5, 100, 10, settle_seconds=0.2), 1, None)
    assert run.faults == []
    assert run.delays.count >= 75
    assert run.figures["cpu_us_per_token"] > 0
    await stage.check_books()


async def test_first_tokens_are_measured_one_by_one_and_spread(stage: Stage, server: RunningServer) -> None:
    for per_second in (None, 20.0):
        run = await first_token(stage, server, 3, 1, delay_ms=10, per_second=per_second)
        assert run.faults == []
        assert run.delays.count == 3
        assert run.delays.at_ms[0.0] > 0


async def test_idle_sockets_are_counted_in_memory(stage: Stage, server: RunningServer) -> None:
    run = await idle(stage, server, 20, 1, warm_fans=5, settle_seconds=0.1)
    assert run.faults == []
    assert run.figures["accepted_per_second"] > 0


def test_the_meter_is_cheap() -> None:
    assert 0 < microseconds_per_token() < 20
