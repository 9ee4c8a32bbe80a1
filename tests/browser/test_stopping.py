"""A stop that is lost, refused or late: the answer is stopped in the end, and no other one is."""

from typing import Any

from playwright.async_api import BrowserContext, Page, expect

from tests.browser.conftest import NewChannel, OpenChat
from tests.browser.flaky_line import FlakyLine
from tests.browser.session_page import NOTHING, run
from tests.support.waiting import eventually

# The answer "a1" runs; `resumed(…)` is what the server says to the `sub` after a loss, `stops()` what was asked.
ANSWERING = """session.send('Hello');
tell({...opened('first', 1), rid: rid('open')});
tell({t: 'ok', rid: rid('send'), seq: 1, msg: 'm1'});
tell({t: 'user', k: 1, s: 1, id: 'm1', text: 'Hello', tok: 1}, {t: 'start', k: 1, s: 2, id: 'a1', to: 'm1'});
window.stops = () => said.filter(({t}) => t === 'stop').map(({msg}) => msg);
window.resumed = more => tell({...opened('first', 2), rid: rid('sub'), mode: 'replay', state: 'answering', ...more});
const answer = {id: 'a1', type: 'ai', text: 'Hi', status: 'done', parent: 'm1'};
const over = {mode: 'snapshot', state: 'open', seq: 3, msgs: [answer]};
"""


async def answering(page: Page, script: str) -> Any:
    return await run(page, NOTHING, ANSWERING + script)


async def test_a_stop_that_was_lost_with_the_connection_is_repeated(component_page: Page) -> None:
    stops = await answering(component_page, "session.stop(); await comeBack(); resumed(); return stops();")
    assert stops == ["a1", "a1"]


async def test_a_stop_that_was_heard_is_not_repeated(component_page: Page) -> None:
    stops = await answering(
        component_page,
        "session.stop(); tell({t: 'ok', rid: rid('stop')}); await comeBack(); resumed(); return stops();",
    )
    assert stops == ["a1"]


async def test_a_stop_is_sent_once_while_its_reply_is_awaited(component_page: Page) -> None:
    assert await answering(component_page, "session.stop(); session.stop(); return stops();") == ["a1"]


async def test_a_stop_of_an_answer_that_ended_meanwhile_does_not_end_the_next(component_page: Page) -> None:
    stops = await answering(
        component_page,
        """session.stop(); await comeBack(); resumed(over);
        tell({t: 'user', k: 2, s: 4, id: 'm2', text: 'From another tab', tok: 3}, {t: 'start', k: 2, s: 5, id: 'a2'});
        return stops();""",
    )
    assert stops == ["a1"]


async def test_a_stop_that_is_refused_for_now_is_repeated(component_page: Page) -> None:
    await answering(
        component_page,
        "session.stop(); tell({t: 'err', rid: rid('stop'), code: 'rate_limited', retry: true, after: 0.01});",
    )
    await component_page.wait_for_function("() => stops().length === 2")


async def test_a_stop_that_is_refused_for_good_is_told_and_can_be_asked_for_again(component_page: Page) -> None:
    seen, stops = await answering(
        component_page,
        """session.stop();
        tell({t: 'err', rid: rid('stop'), code: 'forbidden', retry: false});
        const told = seen.at(-1)[0];
        session.stop();
        return [told, stops()];""",
    )
    assert (seen, stops) == ("stopFailed", ["a1", "a1"])


async def test_the_reader_is_told_that_an_answer_was_not_stopped(
    new_channel: NewChannel, open_chat: OpenChat, context: BrowserContext
) -> None:
    line = FlakyLine()
    await line.install(context)
    chat = await open_chat(await new_channel())
    await chat.ask("[[tokens=2000 rate=50]]")
    await chat.wait_for_words(5)
    line.lets_through = lambda frame: frame["t"] != "stop"
    await chat.stop.click()
    await eventually(lambda: line.commands("stop"))
    [stop] = line.commands("stop")
    line.tell({"t": "err", "rid": stop["rid"], "k": 1, "code": "forbidden", "msg": "No.", "retry": False})
    await expect(chat.notice).to_have_text("The answer could not be stopped. Try again.")
    line.lets_through = lambda frame: True
    await chat.stop.click()
    await chat.wait_until_done()
    await expect(chat.notice).to_be_hidden()
