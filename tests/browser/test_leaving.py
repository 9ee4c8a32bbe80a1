"""What comes too late: replies for a chat that the reader has left, and facts that nobody waits for."""

from playwright.async_api import Page

from tests.browser.session_page import NOTHING, run


async def test_an_ok_for_a_chat_that_was_left_drops_no_event(component_page: Page) -> None:
    seen = await run(
        component_page,
        NOTHING,
        """session.send('Hello');
        tell({...opened('first', 1), rid: rid('open')});
        session.forget();
        tell({t: 'ok', rid: rid('send'), msg: 'm1'}, {t: 'channel', channel: 'deep-sea-lab'});
        return seen.map(([name]) => name);""",
    )
    assert "accepted" not in seen
    assert seen[-1] == "channelChanged"


async def test_a_subscription_that_comes_too_late_does_not_bring_back_the_chat_that_was_left(
    component_page: Page,
) -> None:
    state = await run(
        component_page,
        {**NOTHING, "chat": "first"},
        """session.forget();
        tell({...opened('first', 1), rid: rid('sub')});
        return {chat: session.chat, kept: memory.chat, unsub: said.at(-1)};""",
    )
    assert (state["chat"], state["kept"]) == (None, None)
    assert (state["unsub"]["t"], state["unsub"]["k"]) == ("unsub", 1)


async def test_a_chat_that_was_left_before_it_opened_does_not_become_the_next_one(component_page: Page) -> None:
    state = await run(
        component_page,
        NOTHING,
        """session.send('Hello');
        const left = rid('open');
        session.forget();
        session.send('Something else');
        tell({...opened('first', 1), rid: left});
        tell({...opened('second', 2), rid: rid('open')});
        const sends = said.filter(({t}) => t === 'send').map(({k, text}) => [k, text]);
        return {chat: session.chat.id, sends};""",
    )
    assert state == {"chat": "second", "sends": [[2, "Something else"]]}


async def test_facts_that_come_after_forget_are_not_taken_and_not_asked_for_again(component_page: Page) -> None:
    facts = await component_page.evaluate(
        """async () => {
          const {ChannelFacts} = await import('/static/widget/channel-facts.js');
          const answer = Promise.withResolvers();
          let asked = 0, changes = 0;
          window.fetch = () => (asked++, answer.promise);
          window.setTimeout = () => asked++;
          const facts = new ChannelFacts('http://component.test/', 'deep-sea-lab', () => changes++);
          const reading = facts.read();
          facts.forget();
          answer.resolve(Response.json({title: 'Deep', status: 'ACTIVE', creditBalance: 1, model: {state: 'warming'}}));
          await reading;
          return {asked, changes, title: facts.title};
        }"""
    )
    assert facts == {"asked": 1, "changes": 0, "title": None}


async def test_a_reply_that_a_snapshot_overtook_starts_nothing(component_page: Page) -> None:
    is_busy = await run(
        component_page,
        NOTHING,
        """session.send('Hello');
        tell({...opened('first', 1), rid: rid('open')});
        const answer = {id: 'a1', type: 'ai', text: 'Hi', status: 'done', parent: 'm1'};
        tell({...opened('first', 1), mode: 'snapshot', epoch: '2', seq: 3, msgs: [answer]});
        tell({t: 'ok', rid: rid('send'), seq: 1, msg: 'm1'});
        return session.isBusy;""",
    )
    assert is_busy is False
