"""A signal is not lost, wherever it comes."""

import os
import signal
import weakref
from collections.abc import Iterator

import pytest

from server.commands.interruption import Interruption


@pytest.fixture
def interruption() -> Iterator[Interruption]:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    listening = Interruption()
    listening.listen()
    yield listening
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_what_runs_with_the_usual_exit_code(interruption: Interruption, number: signal.Signals) -> None:
    with pytest.raises(SystemExit) as ended:
        os.kill(os.getpid(), number)
    assert ended.value.code == 128 + number


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_where_nobody_gets_it_the_next_step_does(interruption: Interruption) -> None:
    class Held:
        pass

    held = Held()
    reference = weakref.ref(held, lambda _: os.kill(os.getpid(), signal.SIGINT))
    del held  # the callback's exception is printed and gone
    assert reference() is None
    with pytest.raises(SystemExit) as ended:
        interruption.check()
    assert ended.value.code == 130


def test_it_is_passed_on_to_who_takes_signals_by_then(interruption: Interruption) -> None:
    with pytest.raises(SystemExit):
        os.kill(os.getpid(), signal.SIGTERM)
    taken: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _: taken.append(number))
    interruption.pass_on()
    assert taken == [signal.SIGTERM]


def test_without_a_signal_nothing_happens(interruption: Interruption) -> None:
    interruption.check()
    interruption.pass_on()
