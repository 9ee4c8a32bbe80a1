"""The scripted server as a server: addresses, bad requests, many readers, its command line."""

import asyncio
import sys
from typing import Any

import httpx2
import pytest

from server.llm import scripted_server
from server.llm.scripted_server import ScriptedServer
from tests.support.waiting import eventually

PROMPT = {"model": "m", "stream": True, "messages": [{"role": "user", "content": "[[tokens=50 rate=0 delay_ms=0]]"}]}


async def post(server: ScriptedServer, json: Any) -> httpx2.Response:
    async with httpx2.AsyncClient() as client:
        return await client.post(f"{server.base_url}/chat/completions", json=json)


async def test_its_models_are_listed(upstream: ScriptedServer) -> None:
    async with httpx2.AsyncClient() as client:
        response = await client.get(f"{upstream.base_url}/models")
    assert [model["id"] for model in response.json()["data"]] == ["scripted"]


async def test_other_addresses_are_not_found(upstream: ScriptedServer) -> None:
    async with httpx2.AsyncClient() as client:
        assert (await client.get(f"{upstream.base_url}/nothing")).status_code == 404


@pytest.mark.parametrize("body", [{}, {"messages": "x"}, PROMPT | {"stream": False}, [1]])
async def test_bad_requests_are_refused(upstream: ScriptedServer, body: object) -> None:
    response = await post(upstream, body)
    assert response.status_code == 400
    assert response.json()["error"]["message"]


async def test_a_request_that_is_too_long_is_refused(upstream: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scripted_server, "REQUEST_MAX_BYTES", 1_000)
    assert (await post(upstream, {"messages": "x" * 2_000})).status_code == 413


async def test_usage_is_told_only_when_it_is_asked_for(upstream: ScriptedServer) -> None:
    assert '"usage"' not in (await post(upstream, PROMPT)).text
    response = await post(upstream, PROMPT | {"stream_options": {"include_usage": True}})
    assert '"completion_tokens":50' in response.text
    assert response.text.endswith("data: [DONE]\n\n")


async def test_what_is_no_http_is_hung_up_on(upstream: ScriptedServer) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", upstream.port)
    writer.write(b"\x16\x03\x01 nonsense\r\n\r\n")
    assert await reader.read() == b""
    writer.close()


async def test_a_reader_that_does_not_read_is_waited_for(upstream: ScriptedServer) -> None:
    long = {"role": "user", "content": "[[tokens=60000 rate=0 delay_ms=0]]"}
    async with (
        httpx2.AsyncClient() as client,
        client.stream("POST", f"{upstream.base_url}/chat/completions", json=PROMPT | {"messages": [long]}) as response,
    ):
        await eventually(lambda: upstream.paused_streams == 1)
        body = await response.aread()
    assert body.count(b"data: ") == 60_000 + 3
    assert upstream.paused_streams == 0


async def test_it_can_be_run_from_the_command_line() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "server.llm.scripted_server", "--model", "tiny", stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    line = (await process.stdout.readline()).decode()
    assert line.startswith("Scripted model tiny at http://127.0.0.1:")
    async with httpx2.AsyncClient() as client:
        assert (await client.get(f"{line.split()[-1]}/models")).status_code == 200
    process.terminate()
    await process.communicate()
