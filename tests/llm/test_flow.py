"""Pieces that are handed over in the turn of the loop that brings them, without waking who waits for the answer."""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from server.llm.answers import Answer, AnswerLimits, AnswerRequest, Answers, Piece
from server.llm.model import Fault, PromptMessage
from server.llm.openai_model import OpenAIModel, OpenAIOptions
from server.llm.tokens import count
from server.llm.upstream_connection import UpstreamConnection
from tests.llm.played_model import PlayedModel
from tests.llm.raw_server import RawServer
from tests.llm.texts import chunk_lengths, cut, texts
from tests.support.waiting import eventually

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
LIMITS = AnswerLimits(first_token_seconds=10, stall_seconds=10)


@dataclass
class Sink:
    """Takes pieces while it is ready; `told` has also those that it left, in order."""

    is_ready: bool = True
    taken: list[Piece] = field(default_factory=list)
    told: list[Piece] = field(default_factory=list)

    def take(self, piece: Piece) -> None:
        self.taken.append(piece)
        self.told.append(piece)

    async def follow(self, answer: Answer) -> None:
        """Read the answer to its end."""
        while (piece := await answer.flow(self)) is not None:
            self.told.append(piece)


def ask(model: PlayedModel | OpenAIModel, budget: int = 2_048, thresholds: tuple[int, ...] = ()) -> Answer:
    return Answers(model, LIMITS).ask(AnswerRequest([PromptMessage("user", "Who?")], budget, "cap", thresholds))


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%s\r\n" % (len(data), data)


def token(text: str) -> bytes:
    event = json.dumps({"choices": [{"delta": {"content": text}}]})
    return chunk(f"data: {event}\n\n".encode())


@pytest.fixture
async def server() -> AsyncIterator[RawServer]:
    async with RawServer() as server:
        yield server


@pytest.fixture
async def model(server: RawServer) -> AsyncIterator[OpenAIModel]:
    model = OpenAIModel(OpenAIOptions("played", "key", server.base_url, max_retries=0))
    yield model
    await model.aclose()


@settings(deadline=None, max_examples=200)
@given(texts, chunk_lengths, st.integers(1, 300), st.lists(st.integers(1, 300), max_size=3, unique=True))
def test_a_sink_gets_what_a_reader_gets(text: str, lengths: list[int], budget: int, marks: list[int]) -> None:
    reads = [[part] for part in cut(text, lengths)]

    async def run() -> None:
        read, flowing, sink = (
            ask(PlayedModel(reads), budget, tuple(sorted(marks))),
            ask(PlayedModel(reads), budget, tuple(sorted(marks))),
            Sink(),
        )
        pieces = [piece async for piece in read]
        await sink.follow(flowing)
        assert sink.told == pieces
        assert repr(flowing.end) == repr(read.end)
        assert await flowing.count_tokens() == count("".join(piece.text for piece in pieces))

    asyncio.run(run())


async def test_a_token_reaches_the_sink_before_the_reader_runs_again(server: RawServer, model: OpenAIModel) -> None:
    server.answers.append((HEAD + token("one"), False))
    answer, sink = ask(model), Sink()
    async with asyncio.TaskGroup() as tasks:
        following = tasks.create_task(sink.follow(answer))
        await eventually(lambda: len(sink.told) == 1)
        server.write(token(" two") + token(" three"))
        await eventually(lambda: len(sink.told) == 2)
        server.write(chunk(b"data: [DONE]\n\n") + b"0\r\n\r\n")
        await following
    assert [piece.text for piece in sink.told] == ["one", " two three"]
    assert sink.told[1] == Piece(" two three", 2)


async def test_a_sink_that_is_not_ready_leaves_the_piece_to_the_reader(server: RawServer, model: OpenAIModel) -> None:
    server.answers.append((HEAD + token("one"), False))
    answer, sink = ask(model), Sink(is_ready=False)
    assert await answer.flow(sink) == Piece("one", 1)
    server.write(token(" two"))
    assert await answer.flow(sink) == Piece(" two", 1)
    assert sink.taken == []
    assert answer.tokens_now() == 2
    await answer.aclose()


async def test_a_broken_connection_ends_an_answer_that_flows(server: RawServer, model: OpenAIModel) -> None:
    server.answers.append((HEAD + token("one"), False))
    answer, sink = ask(model), Sink()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(sink.follow(answer))
        await eventually(lambda: len(sink.told) == 1)
        server.hang_up()
    assert answer.end is not None
    assert answer.end.error is not None
    assert answer.end.error.details["fault"] == Fault.CUT


async def test_a_closed_answer_hands_over_nothing_more(server: RawServer, model: OpenAIModel) -> None:
    server.answers.append((HEAD + token("one"), False))
    answer, sink = ask(model), Sink()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(sink.follow(answer))
        await eventually(lambda: len(sink.told) == 1)
        server.write(token(" two"))
        await answer.aclose()
    assert [piece.text for piece in sink.told] == ["one"]


async def test_a_model_that_falls_silent_after_tokens_that_flowed_is_given_up(
    server: RawServer, model: OpenAIModel
) -> None:
    server.answers.append((HEAD + token("one"), False))
    limits = AnswerLimits(first_token_seconds=10, stall_seconds=0.2)
    answer = Answers(model, limits).ask(AnswerRequest([PromptMessage("user", "Who?")], 2_048, "cap"))
    sink = Sink()
    async with asyncio.timeout(10):
        await sink.follow(answer)
    assert answer.end is not None
    assert answer.end.error is not None
    assert answer.end.error.details["fault"] == Fault.STALLED


class FakeTransport(asyncio.Transport):
    """A transport that is open and sends nowhere."""

    def write(self, data: object) -> None:
        """It goes nowhere."""

    def is_closing(self) -> bool:
        return False

    def abort(self) -> None:
        """Nothing is connected."""


@pytest.fixture
def connection() -> UpstreamConnection:
    """A connection with the head of an answer."""
    connection = UpstreamConnection()
    connection.connection_made(FakeTransport())
    connection.send(b"POST", b"/", [], b"")
    connection.data_received(HEAD)
    return connection


async def test_a_sink_is_called_in_the_turn_of_the_loop_that_brings_the_bytes(connection: UpstreamConnection) -> None:
    taken: list[bytes] = []

    def take(data: bytes) -> bool:
        taken.append(data)
        return len(taken) < 3

    flowing = asyncio.ensure_future(connection.flow(take))
    await asyncio.sleep(0)
    for part in (b"one", b"two"):
        connection.data_received(chunk(part))
    assert taken == [b"one", b"two"]
    connection.data_received(chunk(b"three"))
    connection.data_received(chunk(b"four"))
    await flowing
    assert taken == [b"one", b"two", b"three"]
    assert await connection.read() == b"four"


async def test_a_reader_that_was_cancelled_is_handed_nothing_more(connection: UpstreamConnection) -> None:
    taken: list[bytes] = []

    def take(data: bytes) -> bool:
        taken.append(data)
        return True

    flowing = asyncio.ensure_future(connection.flow(take))
    await asyncio.sleep(0)
    flowing.cancel()
    connection.data_received(chunk(b"one"))
    with pytest.raises(asyncio.CancelledError):
        await flowing
    assert taken == []


async def test_what_a_sink_raises_reaches_the_reader(connection: UpstreamConnection) -> None:
    def take(_: bytes) -> bool:
        raise ArithmeticError

    flowing = asyncio.ensure_future(connection.flow(take))
    await asyncio.sleep(0)
    connection.data_received(chunk(b"one"))
    with pytest.raises(ArithmeticError):
        await flowing


async def test_the_last_bytes_come_before_the_end_and_before_a_break(connection: UpstreamConnection) -> None:
    taken: list[bytes] = []

    def take(data: bytes) -> bool:
        taken.append(data)
        return True

    flowing = asyncio.ensure_future(connection.flow(take))
    await asyncio.sleep(0)
    connection.data_received(chunk(b"one") + b"0\r\n\r\n")
    await flowing
    assert taken == [b"one"]
    connection.send(b"POST", b"/", [], b"")
    connection.data_received(HEAD + chunk(b"two"))
    connection.connection_lost(None)
    with pytest.raises(httpx2.RemoteProtocolError):
        await connection.flow(take)
    assert taken == [b"one", b"two"]
