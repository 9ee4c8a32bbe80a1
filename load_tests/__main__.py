"""`python -m load_tests`: the command line. Each command starts all that it needs and ends it again."""

import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from types import FrameType
from typing import Annotated, Final

import typer
import uvloop
from rich.console import Console

from load_tests import machine, meter, report, starts
from load_tests.figures import Run
from load_tests.first_token import first_token
from load_tests.idle import idle
from load_tests.ledger.command import ledger
from load_tests.profiles import Profile
from load_tests.servers import RunningServer, StartServer, contestants
from load_tests.stage import Stage, open_stage
from load_tests.steady import SteadyPlan, steady

STREAMS_MAX: Final = 2_000
CONNECTIONS_MAX: Final = 10_000
MESSAGES_MAX: Final = 2_000
STARTS_MAX: Final = 50_000
SECONDS_MAX: Final = 240
"""A stamp is two tokens: a longer answer would come to the end of its chat."""
ROUNDS_MAX: Final = 20

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)
console: Final = Console(width=max(180, Console().width))


class Server(StrEnum):
    """What can be measured."""

    BARE = "bare"
    TALLYLIGHT = "tallylight"


Servers = Annotated[list[Server] | None, typer.Option("--server", help="Which server; both unless one is named.")]
Beside = Annotated[
    Path | None,
    typer.Option(exists=True, file_okay=False, help="Another checkout of Tallylight to measure in the same turns."),
]
Rounds = Annotated[int, typer.Option(min=1, max=ROUNDS_MAX, help="How often each server is measured, in turns.")]
Rate = Annotated[float, typer.Option(min=1, max=1_000, help="Tokens a second of each answer.")]
DelayMs = Annotated[float, typer.Option(min=0, max=10_000, help="What the model waits before its first token.")]

app.command("ledger")(ledger)

Measure = Callable[[Stage, RunningServer, int], Coroutine[None, None, Run]]


@app.callback(help=__doc__)
def results_folder(
    context: typer.Context,
    results: Annotated[Path, typer.Option(file_okay=False, help="Where figures and pictures go.")] = report.RESULTS,
) -> None:
    """What all commands have in common."""
    results.mkdir(parents=True, exist_ok=True)
    context.obj = results


@app.command("steady")
def steady_command(
    context: typer.Context,
    *,
    streams: Annotated[list[int], typer.Option(min=1, max=STREAMS_MAX, help="Answers at once; may be repeated.")],
    seconds: Annotated[float, typer.Option(min=1, max=SECONDS_MAX, help="How long each phase is.")] = 20,
    rounds: Rounds = 2,
    server: Servers = None,
    beside: Beside = None,
    rate: Rate = 30,
    delay_ms: DelayMs = 100,
    profile: Annotated[bool, typer.Option(help="Take profiles of Tallylight with py-spy; they cost it some.")] = False,
) -> None:
    """Many answers at the same time: the delay and the CPU of a token."""

    def measure_with(size: int) -> Measure:
        async def measure(stage: Stage, running: RunningServer, round_: int) -> Run:
            plan = SteadyPlan(size, seconds, rate, delay_ms)
            wanted = profile and running.name == Server.TALLYLIGHT
            place = Profile(context.obj / f"profile-{size}-{round_}.txt") if wanted else None
            return await steady(stage, running, plan, round_, place)

        return measure

    _run(
        context.obj,
        [measure_with(size) for size in streams],
        contestants(server or list(Server), beside),
        rounds,
        rate=rate,
        delay_ms=delay_ms,
    )


@app.command("idle")
def idle_command(
    context: typer.Context,
    *,
    connections: Annotated[int, typer.Option(min=1, max=CONNECTIONS_MAX, help="Sockets that say hello.")] = 2_000,
    rounds: Rounds = 2,
    server: Servers = None,
    beside: Beside = None,
) -> None:
    """Sockets on which nothing happens: the memory of each."""

    async def measure(stage: Stage, running: RunningServer, round_: int) -> Run:
        return await idle(stage, running, connections, round_)

    _run(context.obj, [measure], contestants(server or list(Server), beside), rounds, rate=30, delay_ms=100)


@app.command("first-token")
def first_token_command(
    context: typer.Context,
    *,
    messages: Annotated[int, typer.Option(min=1, max=MESSAGES_MAX, help="First messages.")] = 100,
    per_second: Annotated[
        float | None, typer.Option(min=0.1, max=1_000, help="How many begin in a second; else one after the other.")
    ] = None,
    rounds: Rounds = 2,
    server: Servers = None,
    beside: Beside = None,
    rate: Rate = 30,
    delay_ms: DelayMs = 100,
) -> None:
    """First messages of new chats: from the question to the first token, beyond what the model waited."""

    async def measure(stage: Stage, running: RunningServer, round_: int) -> Run:
        return await first_token(stage, running, messages, round_, delay_ms=delay_ms, per_second=per_second)

    _run(context.obj, [measure], contestants(server or list(Server), beside), rounds, rate=rate, delay_ms=delay_ms)


@app.command("starts")
def starts_command(
    *,
    chats: Annotated[int, typer.Option(min=100, max=STARTS_MAX, help="Chats of each run.")] = 6_000,
    per_second: Annotated[float, typer.Option(min=1, max=5_000, help="Of the run at a steady pace.")] = 200,
    rounds: Rounds = 2,
) -> None:
    """Chats that start on one hot channel: how many a second, beside the least that Postgres needs for it."""
    for name, value in report.origin().items():
        console.print(f"{name}: {value}", highlight=False)
    with open_stage(rate=30, delay_ms=100) as stage:
        machine.pin(os.getpid(), machine.SERVER_CORE)
        try:
            uvloop.run(_starts(stage, chats, per_second, rounds))
        finally:
            uvloop.run(stage.check_books())


async def _starts(stage: Stage, chats: int, per_second: float, rounds: int) -> None:
    async with starts.open_hall(stage, 4 * chats * rounds) as hall:
        for round_ in range(1, rounds + 1):
            of_users = await starts.crowded(hall, chats, of_visitors=False)
            rates = {
                "group commit": of_users,
                "bare function": await starts.bare(hall, chats, round(of_users.batch)),
                "group commit, visitors": await starts.crowded(hall, chats, of_visitors=True),
                f"visitors at {per_second:g}/s": await starts.spread(hall, chats, per_second),
            }
            for name, rate in rates.items():
                console.print(
                    f"{name}, round {round_}: {rate.per_second:,.0f} starts/s, {rate.batch:.1f} a transaction, "
                    f"{rate.cpu_us:.0f} µs CPU each, p50 {rate.delays.at_ms[50.0]:.1f} ms, "
                    f"p99 {rate.delays.at_ms[99.0]:.1f} ms",
                    highlight=False,
                )


@app.command("meter")
def meter_command() -> None:
    """What counting a token costs, in CPU microseconds."""
    for name, value in report.origin().items():
        console.print(f"{name}: {value}", highlight=False)
    machine.pin(os.getpid(), machine.SERVER_CORE)
    console.print(f"meter: {meter.microseconds_per_token():.2f} µs a token")


def _run(
    results: Path,
    measures: Sequence[Measure],
    servers: Sequence[StartServer],
    rounds: int,
    *,
    rate: float,
    delay_ms: float,
) -> None:
    """Measure in turns, each time with a new process, and report; ends with 1 if a fan found a fault."""
    source = report.origin()
    machine.pin(os.getpid(), machine.BENCH_CORE)
    runs: list[Run] = []
    with open_stage(rate=rate, delay_ms=delay_ms) as stage:
        try:
            for measure in measures:
                for run in _in_turns(stage, measure, servers, rounds):
                    runs.append(run)
                    console.print(report.progress(run), highlight=False)
        finally:
            uvloop.run(stage.check_books())
    report.show(runs, source, console)
    for path in report.save(runs, source, results):
        console.print(f"written: {path}", highlight=False)
    if any(run.faults for run in runs):
        sys.exit(1)


def _in_turns(stage: Stage, measure: Measure, servers: Sequence[StartServer], rounds: int) -> Iterator[Run]:
    for round_ in range(1, rounds + 1):
        for start in servers:
            with start(stage) as running:
                yield uvloop.run(measure(stage, running, round_))


def _end(number: int, _: FrameType | None) -> None:
    """A signal ends the command in order, and with it every process that it has started."""
    sys.exit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _end)
    app()
