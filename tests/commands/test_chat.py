"""`tallylight chat` in a terminal, on a real gateway."""

import contextlib
import json
import re
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from anyio.from_thread import start_blocking_portal

from server.auth.api_keys import ApiKeys
from server.llm.scripted_text import long_text
from tests.commands.house import House
from tests.support.gateways import GatewayProcess, gateway_process
from tests.support.instances import bare_environment
from tests.support.terminal import ALT_ENTER, CTRL_C, CTRL_D, ENTER
from tests.support.waiting import wait_for
from tests.support.world import made_world

GREETED: Final = "begins another chat.\n›"
"""The last line of the greeting, and the prompt."""
SHORT: Final = "Tell me about lamps. [[tokens=40 rate=200]]"
SLOW: Final = "A long story about rivers. [[tokens=2000 rate=40]]"
STORY: Final = "A tale of lamps and rivers. [[tokens=200 rate=60]]"
FAILING: Final = "Tell me more about lamps. [[tokens=40 fail_at=20]]"
IDLE: Final = "left · 49 credits\n›"
"""What stands there once the first answer is over and the next message is asked for."""
WORD: Final = re.compile(r"[A-Za-z’']+")


def beginning(asked: str) -> str:
    """How the scripted answer to this begins, as it is drawn."""
    return long_text(asked, 1).replace("**", "")[:30]


def test_an_answer_is_drawn_with_its_meter_and_the_balance(house: House) -> None:
    with house.terminal() as terminal:
        terminal.wait_for("deep-sea-lab  on air · 50 credits", GREETED)
        terminal.type(SHORT, ENTER)
        terminal.wait_for(beginning(SHORT), IDLE)
        used, left = house.ask("SELECT tokens_used, token_cap - tokens_used FROM chat ORDER BY id DESC LIMIT 1")[0]
        terminal.wait_for(f"{used:,} of 50,000 tokens, {left:,} left · 49 credits")
        terminal.type(CTRL_D)
        assert terminal.wait_end() == 0


@pytest.mark.parametrize(("columns", "rows"), [(80, 24), (41, 9), (200, 50)])
def test_every_word_of_an_answer_stands_there_once_whatever_the_size(house: House, columns: int, rows: int) -> None:
    """Lists and headings, more than the screen holds; nothing is wider than the screen, no word is broken."""
    with house.terminal(columns=columns, rows=rows) as terminal:
        terminal.wait_for(GREETED)
        terminal.type("Tell me about lamps. [[tokens=500 rate=150]]", ENTER)
        terminal.wait_for("credits\n›")
        terminal.type(CTRL_D)
        assert terminal.wait_end() == 0
        _, _, drawn = terminal.text.partition("]]")
    words = WORD.findall(house.answers[0].replace("**", ""))
    shown = WORD.findall(drawn)
    assert shown[: len(words)] == words
    assert not {"⋮"} & set(drawn)


def test_what_was_drawn_stays_when_the_terminal_changes_its_size(house: House) -> None:
    with house.terminal(columns=100) as terminal:
        terminal.wait_for(GREETED)
        terminal.type(STORY, ENTER)
        terminal.wait_for(beginning(STORY))
        terminal.resize(60, 24)
        terminal.wait_for(IDLE)
        assert terminal.text.count(beginning(STORY)) == 1
        terminal.type(CTRL_D)
        assert terminal.wait_end() == 0


def test_a_message_may_have_several_lines(house: House) -> None:
    with house.terminal() as terminal:
        terminal.wait_for(GREETED)
        terminal.type("one\\", ENTER, "two", ALT_ENTER, "\x1b[200~three\nfour [[tokens=5]]\x1b[201~", ENTER)
        terminal.wait_for("left · 49 credits")
        terminal.type(CTRL_D)
        assert terminal.wait_end() == 0
    newest = "SELECT content FROM message WHERE type = 'USER' ORDER BY id DESC LIMIT 1"
    assert house.ask(newest) == [("one\ntwo\nthree\nfour [[tokens=5]]",)]


def test_what_is_typed_before_the_prompt_is_kept_for_it(house: House) -> None:
    with house.terminal() as terminal:
        terminal.type("typed ahead")
        terminal.wait_for("\n› typed ahead")


def test_a_message_that_is_too_long_is_refused_and_can_be_shortened(house: House) -> None:
    with house.terminal() as terminal:
        terminal.wait_for(GREETED)
        terminal.type("\x1b[200~", "x" * 16_001, "\x1b[201~", ENTER)
        terminal.wait_for("Your message has 16,001 characters; 16,000 can be sent.")
        terminal.type(CTRL_C, SHORT, ENTER)
        terminal.wait_for(beginning(SHORT), IDLE)


def test_ctrl_c_stops_the_answer_and_keeps_what_there_is(house: House) -> None:
    with house.terminal() as terminal:
        terminal.wait_for(GREETED)
        terminal.type(SLOW, ENTER)
        terminal.wait_for(beginning(SLOW))
        terminal.type(CTRL_C)
        terminal.wait_for("Stopped.", "left · 49 credits")
        assert house.ask("SELECT status FROM message WHERE type = 'AI' ORDER BY id DESC LIMIT 1") == [("STOPPED",)]
        terminal.type(SHORT, ENTER)
        wait_for(lambda: house.ask("SELECT count(*) FROM message WHERE tokens = 40 AND status = 'DONE'") >= [(1,)])
        terminal.type(CTRL_C)
        terminal.type(CTRL_D)
        assert terminal.wait_end() == 0


def test_ctrl_c_at_the_prompt_clears_what_was_written_and_then_leaves(house: House) -> None:
    with house.terminal() as terminal:
        terminal.wait_for(GREETED)
        terminal.type("half a thought")
        terminal.wait_for("› half a thought")
        terminal.type(CTRL_C)
        terminal.wait_for("›", gone="half a thought")
        terminal.type(CTRL_C)
        assert terminal.wait_end() == 0


def test_the_next_start_goes_on_with_the_last_chat_and_a_new_one_begins_when_asked(house: House) -> None:
    with house.terminal() as terminal:
        terminal.wait_for(GREETED)
        terminal.type("Who is Dr Button? [[tokens=20]]", ENTER)
        terminal.wait_for(IDLE)
        terminal.type(CTRL_D)
        terminal.wait_end()
    with house.terminal() as terminal:
        terminal.wait_for("› Who is Dr Button?", "tokens, 4", GREETED)
        terminal.type("/new", ENTER)
        terminal.wait_for("begins another chat.")
        terminal.type(SHORT, ENTER)
        terminal.wait_for("left · 48 credits\n›")
        terminal.type(CTRL_D)
        terminal.wait_end()
    first, second = (str(one) for (one,) in house.ask("SELECT id FROM chat ORDER BY id DESC LIMIT 2")[::-1])
    with house.terminal("--new") as terminal:
        terminal.wait_for(GREETED)
        assert "lamps" not in terminal.text
    with house.terminal("--chat", first) as terminal:
        terminal.wait_for("› Who is Dr Button?", GREETED)
    with house.terminal() as terminal:
        terminal.wait_for("› Who is Dr Button?", GREETED)
    assert first != second


def test_a_remembered_chat_that_is_gone_is_begun_anew_and_a_named_one_is_told(house: House, tmp_path: Path) -> None:
    gone = "01920000-0000-7000-8000-000000000001"
    (tmp_path / "tallylight").mkdir()
    (tmp_path / "tallylight" / "chats.json").write_text(json.dumps({f"{house.url} deep-sea-lab": gone}))
    with house.terminal("--chat", gone) as terminal:
        assert terminal.wait_end() == 1
        assert "There is no such chat." in terminal.text
    with house.terminal() as terminal:
        terminal.wait_for("deep-sea-lab  on air", GREETED)
        terminal.type(SHORT, ENTER)
        terminal.wait_for(IDLE)


def test_two_terminals_on_one_chat_show_the_same(house: House) -> None:
    with house.terminal() as first:
        first.wait_for(GREETED)
        first.type("Who is Dr Button? [[tokens=20]]", ENTER)
        first.wait_for(IDLE)
        with house.terminal() as second:
            second.wait_for("› Who is Dr Button?", GREETED)
            second.type(SHORT, ENTER)
            second.wait_for("› Tell me about lamps.", beginning(SHORT))
            first.wait_for("› Tell me about lamps.", beginning(SHORT))


def test_no_credits_is_said_and_the_message_can_be_sent_again(house: House) -> None:
    house.portal.call(house.world.set_balance, 0)
    with house.terminal() as terminal:
        terminal.wait_for("on air · 0 credits", GREETED)
        terminal.type(SHORT, ENTER)
        terminal.wait_for(
            "This channel has no credits left. Nothing was charged.", "› Tell me about lamps. [[tokens=40"
        )
        house.portal.call(house.world.set_balance, 2)
        terminal.type(ENTER)
        terminal.wait_for("left · 1 credit\n")


def test_an_answer_without_a_token_is_refunded_and_asked_again_in_a_new_chat(house: House) -> None:
    with house.terminal() as terminal:
        terminal.wait_for(GREETED)
        terminal.type("Tell me nothing. [[break=empty]]", ENTER)
        terminal.wait_for("so the credit went back", "left · 50 credits\n› Tell me nothing. [[break=empty]]")
        terminal.type(CTRL_C, SHORT, ENTER)
        terminal.wait_for(beginning(SHORT), IDLE)
    states = house.ask("SELECT state, credit_state FROM chat ORDER BY id DESC LIMIT 2")
    assert states == [("OPEN", "SPENT"), ("CLOSED", "REFUNDED")]


def test_a_failure_in_the_middle_is_said(house: House) -> None:
    with house.terminal() as terminal:
        terminal.wait_for(GREETED)
        terminal.type(FAILING, ENTER)
        terminal.wait_for(beginning(FAILING), "The model failed.", IDLE)


def test_a_channel_off_air_and_one_that_is_not_there_are_told(house: House) -> None:
    with house.terminal(channel="night-kitchen") as terminal:
        terminal.wait_for("night-kitchen  not on air yet", GREETED)
        terminal.type(SHORT, ENTER)
        terminal.wait_for("This channel is not on air yet.")
    with house.terminal(channel="nobody") as terminal:
        assert terminal.wait_end() == 1
        assert "There is no such channel." in terminal.text


@dataclass
class Stage:
    """A gateway in a process of its own, which can be killed, frozen and started again at the same address."""

    house: House
    gateway: GatewayProcess
    _enter: Callable[[Any], Any]
    _urls: tuple[str, str]

    def start_again(self) -> None:
        """After a kill."""
        self._enter(gateway_process(*self._urls, port=int(self.gateway.url.rpartition(":")[2])))


@pytest.fixture
def stage(postgres_url: str, redis_url: str, tmp_path: Path) -> Iterator[Stage]:
    urls = postgres_url, redis_url
    with start_blocking_portal() as portal, contextlib.ExitStack() as stack:

        def enter(manager: Any) -> Any:
            return stack.enter_context(portal.wrap_async_context_manager(manager))

        world = enter(made_world(*urls))
        _, secret = portal.call(ApiKeys(world.postgres).create, "of a test")
        gateway = enter(gateway_process(*urls))
        environment = bare_environment(TALLYLIGHT_API_KEY=secret, XDG_STATE_HOME=str(tmp_path))
        yield Stage(House(portal, world, gateway.url, environment), gateway, enter, urls)


def test_a_server_that_dies_in_an_answer_and_comes_back_is_waited_for(stage: Stage) -> None:
    with stage.house.terminal() as terminal:
        terminal.wait_for(GREETED)
        terminal.type(SLOW, ENTER)
        terminal.wait_for(beginning(SLOW))
        stage.gateway.kill()
        terminal.wait_for("The connection is lost; coming back")
        stage.start_again()
        terminal.wait_for("this much was kept", IDLE, gone="lost")
        terminal.type(SHORT, ENTER)
        terminal.wait_for(beginning(SHORT), IDLE)
        terminal.type(CTRL_D)
        assert terminal.wait_end() == 0


def test_a_second_ctrl_c_leaves_an_answer_that_does_not_stop(stage: Stage) -> None:
    with stage.house.terminal() as terminal:
        terminal.wait_for(GREETED)
        terminal.type(SLOW, ENTER)
        terminal.wait_for(beginning(SLOW))
        stage.gateway.signal(signal.SIGSTOP)
        terminal.type(CTRL_C)
        terminal.wait_for("Stopping; Ctrl-C again leaves")
        terminal.type(CTRL_C)
        assert terminal.wait_end() == 130
