"""`tallylight chat` for programs: a question through a pipe, and lines of JSON."""

import contextlib
import json
import subprocess
from collections.abc import Iterator, Sequence
from typing import IO, Any, Final, cast

import pytest

from tests.commands.house import House

END_SECONDS: Final = 30
ASKED: Final = "Tell me about lamps. [[tokens=40]]"
LONG: Final = "A long story about rivers. [[tokens=2000 rate=40]]"

Said = dict[str, Any]


def ask(
    house: House, question: str, *arguments: str, channel: str = "deep-sea-lab"
) -> subprocess.CompletedProcess[str]:
    """Ask through a pipe."""
    command = house.command(*arguments, channel=channel)
    return subprocess.run(
        command, env=house.environment, input=question, capture_output=True, text=True, timeout=END_SECONDS, check=False
    )


def test_the_answer_to_a_piped_question_is_all_that_is_printed(house: House) -> None:
    done = ask(house, ASKED)
    assert (done.returncode, done.stdout, done.stderr) == (0, house.answers[0] + "\n", "")


def test_a_failed_answer_is_kept_and_told(house: House) -> None:
    done = ask(house, "Tell me about lamps. [[tokens=40 fail_at=20]]")
    assert (done.returncode, done.stdout) == (1, house.answers[0] + "\n")
    assert done.stderr == "The model failed.\n"


def test_a_refused_question_prints_nothing(house: House) -> None:
    done = ask(house, ASKED, channel="night-kitchen")
    assert (done.returncode, done.stdout, done.stderr) == (1, "", "This channel is not on air yet.\n")
    done = ask(house, ASKED, channel="nobody")
    assert (done.returncode, done.stdout) == (1, "")
    assert "There is no such channel." in done.stderr


def test_a_key_that_is_not_known_and_a_server_that_is_not_there_are_told(house: House) -> None:
    done = ask(house, ASKED, "--key", "tl_" + "a" * 43)
    assert (done.returncode, done.stdout) == (1, "")
    assert "not known" in done.stderr
    done = ask(house, ASKED, "--url", "http://127.0.0.1:9")
    assert (done.returncode, done.stdout) == (1, "")
    assert "http://127.0.0.1:9 cannot be reached" in done.stderr


class Program:
    """Speaks with `tallylight chat --json`.

    Attributes:
        heard: what it said, oldest first.
    """

    def __init__(self, process: "subprocess.Popen[bytes]") -> None:
        self._process = process
        self.heard: list[Said] = []

    def say(self, *lines: Said | str) -> None:
        """Write these lines."""
        for line in lines:
            self._input.write((line if isinstance(line, str) else json.dumps(line)).encode() + b"\n")
        self._input.flush()

    def hear(self, kind: str) -> Said:
        """Read on until it says something of this kind."""
        for raw in cast("IO[bytes]", self._process.stdout):
            self.heard.append(json.loads(raw))
            if self.heard[-1]["t"] == kind:
                return self.heard[-1]
        raise AssertionError(f"it never said {kind}: {self.heard}")

    def end(self) -> int:
        """End its input, read the rest, and return the exit code."""
        self._input.close()
        self.heard += [json.loads(raw) for raw in cast("IO[bytes]", self._process.stdout)]
        return self._process.wait(END_SECONDS)

    @property
    def kinds(self) -> Sequence[str]:
        """The kinds of what it said."""
        return [said["t"] for said in self.heard]

    @property
    def _input(self) -> IO[bytes]:
        assert self._process.stdin is not None
        return self._process.stdin


@pytest.fixture
def program(house: House) -> Iterator[Program]:
    command = house.command("--json")
    process = subprocess.Popen(command, env=house.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with process, contextlib.ExitStack() as stack:
        stack.callback(process.kill)
        yield Program(process)


def test_a_program_hears_each_event_once_and_in_order(house: House, program: Program) -> None:
    program.say({"t": "send", "text": ASKED, "idem": "of-a-program"})
    done = program.hear("done")
    assert program.end() == 0
    sequence = [said["s"] for said in program.heard if "s" in said]
    assert sequence == sorted(set(sequence))
    assert "".join(said["x"] for said in program.heard if said["t"] == "d") == house.answers[0]
    assert done["why"] == "stop"
    sent = program.heard[program.kinds.index("sent")]
    assert sent["idem"] == "of-a-program"
    assert sent["msg"] == program.heard[program.kinds.index("user")]["id"]
    assert not any("k" in said or "rid" in said for said in program.heard)


def test_the_end_of_the_input_waits_for_the_answer(house: House, program: Program) -> None:
    program.say({"t": "send", "text": ASKED})
    assert program.end() == 0
    assert program.heard[program.kinds.index("done")]["why"] == "stop"
    assert "".join(said["x"] for said in program.heard if said["t"] == "d") == house.answers[0]


def test_a_program_stops_an_answer_and_begins_anew(house: House, program: Program) -> None:
    program.say({"t": "send", "text": LONG})
    first = program.hear("opened")
    program.hear("d")
    program.say({"t": "stop"})
    assert program.hear("done")["why"] == "user_stop"
    program.say({"t": "new"}, {"t": "send", "text": ASKED})
    assert program.hear("opened")["chat"] != first["chat"]
    assert program.hear("done")["why"] == "stop"
    assert program.end() == 0


def test_a_new_chat_waits_for_what_was_sent_to_the_old_one(house: House, program: Program) -> None:
    program.say({"t": "send", "text": ASKED}, {"t": "new"})
    assert program.end() == 0
    assert "sent" in program.kinds
    assert "err" not in program.kinds


def test_a_repeated_idem_is_told_as_a_repeat(house: House, program: Program) -> None:
    once = {"t": "send", "text": ASKED, "idem": "only-once"}
    program.say(once)
    sent = program.hear("sent")
    program.hear("done")
    program.say(once)
    assert program.hear("sent") == {"t": "sent", "idem": "only-once", "msg": sent["msg"], "dup": True}
    program.say({**once, "text": "Something else."})
    refused = program.hear("err")
    assert (refused["idem"], refused["code"], refused["retry"]) == ("only-once", "conflict", False)
    assert program.end() == 0


@pytest.mark.parametrize("line", ["{", "[]", '{"t":"sing"}', '{"t":"send"}', '{"t":"send","text":7}', '{"text":"hi"}'])
def test_a_line_that_is_none_is_refused_and_the_next_one_counts(house: House, program: Program, line: str) -> None:
    program.say(line)
    assert program.hear("err")["code"] == "bad_request"
    program.say({"t": "send", "text": ASKED})
    assert program.hear("done")["why"] == "stop"
    assert program.end() == 0
