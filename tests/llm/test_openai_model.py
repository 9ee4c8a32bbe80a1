"""What an OpenAI-compatible server is sent, what it sees, and what is never told to anybody."""

import asyncio
import logging

import pytest

from server.domain.errors import Refusal
from server.llm.answers import Answer, AnswerLimits, AnswerRequest, Answers
from server.llm.model import Fault, Model, ModelStream, PromptMessage
from server.llm.openai_model import OpenAIModel, OpenAIOptions
from server.llm.script import RETRY_AFTER_SECONDS
from server.llm.scripted_server import ScriptedServer
from tests.llm.conftest import KEY, options_for
from tests.llm.raw_server import RawServer
from tests.support.waiting import eventually


def ask(model: Model, prompt: str, budget: int = 100) -> Answer:
    messages = [PromptMessage("system", "You are a diver."), PromptMessage("user", prompt)]
    return Answers(model, AnswerLimits()).ask(AnswerRequest(messages, budget, "length"))


async def read(answer: Answer) -> str:
    async with asyncio.timeout(10):
        return "".join([piece.text async for piece in answer])


async def abort_twice(stream: ModelStream) -> None:
    stream.abort()
    await asyncio.sleep(0)  # a scope expires in this turn of the loop, its task runs in the next one
    stream.abort()


@pytest.fixture(params=["over http", "through a proxy"])
def remote(request: pytest.FixtureRequest, upstream: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> OpenAIModel:
    if request.param == "over http":
        return OpenAIModel(options_for(upstream.base_url))
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{upstream.port}")
    return OpenAIModel(options_for("http://model.test/v1"))


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_model_on_this_machine_is_reached_past_the_proxy(
    upstream: ScriptedServer, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    model = OpenAIModel(options_for(f"http://{host}:{upstream.port}/v1"))
    assert await read(ask(model, "[[tokens=5]]"))
    await model.aclose()


async def test_a_server_that_needs_no_key_answers(upstream: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    model = OpenAIModel(options_for(upstream.base_url, api_key=""))
    assert await read(ask(model, "[[tokens=5]]"))
    await model.aclose()


async def test_the_request_holds_what_was_asked_for(upstream: ScriptedServer) -> None:
    model = OpenAIModel(options_for(upstream.base_url, extra_body={"temperature": 0.25}))
    await read(ask(model, "Who?", budget=77))
    request = upstream.requests[-1]
    assert [message.content for message in request.messages] == ["You are a diver.", "Who?"]
    assert (request.model, request.temperature, request.stream) == ("scripted", 0.25, True)
    assert (request.max_completion_tokens, request.max_tokens) == (77, None)
    await model.aclose()


async def test_other_servers_get_the_limit_under_its_old_name(upstream: ScriptedServer) -> None:
    model = OpenAIModel(options_for(upstream.base_url, max_tokens_field="max_tokens", display_name="small one"))
    await read(ask(model, "Who?", budget=77))
    assert (upstream.requests[-1].max_completion_tokens, upstream.requests[-1].max_tokens) == (None, 77)
    assert model.name == "small one"
    await model.aclose()


async def test_the_provider_sees_that_an_answer_is_closed(remote: OpenAIModel, upstream: ScriptedServer) -> None:
    answer = ask(remote, "[[tokens=300 rate=20]]")
    await anext(answer)
    assert upstream.open_streams == 1
    await answer.aclose()
    await eventually(lambda: upstream.left_streams == 1)
    assert upstream.open_streams == 0
    await remote.aclose()


async def test_the_provider_sees_that_a_request_is_given_up(remote: OpenAIModel, upstream: ScriptedServer) -> None:
    answer = ask(remote, "[[delay_ms=60000]]")
    reading = asyncio.ensure_future(read(answer))
    await eventually(lambda: upstream.open_streams == 1)
    await answer.aclose()
    assert await reading == ""
    await eventually(lambda: upstream.left_streams == 1)
    await remote.aclose()


async def test_a_request_may_be_given_up_again_before_its_reader_has_noticed(
    remote: OpenAIModel, upstream: ScriptedServer
) -> None:
    stream = remote.stream([PromptMessage("user", "[[delay_ms=60000]]")], 300)
    reading = asyncio.ensure_future(stream.read())
    await eventually(lambda: upstream.open_streams == 1)
    await abort_twice(stream)
    assert await reading == []
    await stream.aclose()
    await remote.aclose()


async def test_an_answer_may_be_aborted_again_before_its_reader_has_noticed(
    remote: OpenAIModel, upstream: ScriptedServer
) -> None:
    stream = remote.stream([PromptMessage("user", "[[tokens=300 rate=1]]")], 300)
    assert await stream.read()
    reading = asyncio.ensure_future(stream.read())
    await asyncio.sleep(0)
    await abort_twice(stream)
    assert await reading == []
    await stream.aclose()
    await remote.aclose()


async def test_the_provider_sees_that_a_cut_answer_is_over(remote: OpenAIModel, upstream: ScriptedServer) -> None:
    answers = Answers(remote, AnswerLimits(json_bytes=50))
    request = AnswerRequest([PromptMessage("user", "[[tokens=300 rate=100]]")], 300, "length")
    assert len(await read(answers.ask(request))) == 49
    await eventually(lambda: upstream.left_streams == 1)
    await remote.aclose()


async def test_a_connection_is_used_again(upstream: ScriptedServer) -> None:
    model = OpenAIModel(options_for(upstream.base_url))
    for _ in range(3):
        await read(ask(model, "[[tokens=5]]"))
        assert len(upstream.connections) == 1
    await model.aclose()
    await eventually(lambda: not upstream.connections)


async def test_a_refusal_for_a_moment_is_tried_again_before_the_first_token() -> None:
    async with RawServer() as server:
        server.answers += [server.status(500), server.tokens("Hello")]
        model = OpenAIModel(options_for(server.base_url, max_retries=1))
        assert await read(ask(model, "Who?")) == "Hello"
        assert len(server.requests) == 2
        await model.aclose()


async def test_nothing_is_tried_again_after_the_first_token() -> None:
    async with RawServer() as server:
        server.answers += [server.tokens("Hello", ends=False)]
        model = OpenAIModel(options_for(server.base_url, max_retries=3))
        answer = ask(model, "Who?")
        assert await read(answer) == "Hello"
        assert answer.end is not None
        assert answer.end.error is not None
        assert answer.end.error.details["fault"] == Fault.CUT
        assert len(server.requests) == 1
        await model.aclose()


async def test_a_provider_is_not_waited_for_longer_than_a_fan_would(upstream: ScriptedServer) -> None:
    model = OpenAIModel(options_for(upstream.base_url, max_retries=3, retry_after_max_seconds=1.0))
    answer = ask(model, "[[break=429]]")
    await read(answer)
    assert answer.end is not None
    assert answer.end.error is not None
    assert answer.end.error.after_seconds == RETRY_AFTER_SECONDS
    assert len(upstream.requests) == 1
    await model.aclose()


async def test_a_short_wait_that_the_provider_asks_for_is_kept() -> None:
    async with RawServer() as server:
        server.answers += [server.status(429, "Retry-After: 0.2"), server.tokens("Hello")]
        model = OpenAIModel(options_for(server.base_url, max_retries=1))
        started = asyncio.get_running_loop().time()
        assert await read(ask(model, "Who?")) == "Hello"
        assert asyncio.get_running_loop().time() - started >= 0.2
        await model.aclose()


async def test_an_answer_that_had_said_why_it_ended_may_lack_the_rest() -> None:
    async with RawServer() as server:
        server.answers += [server.tokens("Hello", ends=False, finish="stop")]
        model = OpenAIModel(options_for(server.base_url))
        answer = ask(model, "Who?")
        assert await read(answer) == "Hello"
        assert answer.end is not None
        assert answer.end.why == "stop"
        await model.aclose()


async def test_a_server_that_cannot_be_reached() -> None:
    async with RawServer() as server:
        base_url = server.base_url
    model = OpenAIModel(options_for(base_url))
    answer = ask(model, "Who?")
    assert await read(answer) == ""
    assert answer.end is not None
    assert answer.end.error is not None
    assert answer.end.error.details == {"fault": Fault.UNREACHABLE}
    with pytest.raises(Refusal) as refused:
        await model.probe()
    assert refused.value.details["fault"] == Fault.UNREACHABLE
    await model.aclose()


@pytest.mark.parametrize(("status", "fault"), [(401, Fault.UNAUTHORIZED), (503, Fault.FAILING), (400, Fault.REFUSED)])
async def test_a_probe_finds_what_is_wrong(status: int, fault: Fault) -> None:
    async with RawServer() as server:
        server.answers += [server.status(status)]
        model = OpenAIModel(options_for(server.base_url, max_retries=5))
        with pytest.raises(Refusal) as refused:
            await model.probe()
        assert refused.value.details == {"fault": fault, "status": status}
        assert len(server.requests) == 1
        await model.aclose()


async def test_a_server_without_a_list_of_models_counts_as_reached() -> None:
    async with RawServer() as server:
        server.answers += [server.status(404)]
        model = OpenAIModel(options_for(server.base_url))
        await model.probe()
        await model.aclose()


async def test_neither_key_nor_prompt_nor_the_providers_words_are_told(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    async with RawServer() as server:
        server.answers += [server.status(400, body=f"Bad key {KEY} for prompt PRIVATE QUESTION")]
        model = OpenAIModel(options_for(server.base_url))
        answer = ask(model, "PRIVATE QUESTION")
        await read(answer)
        await model.aclose()
    assert answer.end is not None
    told = f"{caplog.text} {answer.end} {answer.end.error!r} {answer.end.error} {options_for('http://x')}"
    assert KEY not in told
    assert "PRIVATE" not in told
    assert answer.end.error is not None
    assert answer.end.error.__cause__ is None


def test_openai_itself_is_the_default() -> None:
    options = OpenAIOptions(model="gpt", api_key=KEY)
    assert options.base_url is None
    assert OpenAIModel(options).name == "gpt"
