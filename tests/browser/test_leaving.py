"""What comes too late: replies for a chat that the reader has left, and facts that nobody waits for."""

from typing import Any

from playwright.async_api import Page

# A session on a server that says what the test says: `said` are its commands, `tell(…)` is a frame of the server.
SESSION = """async memory => {
  const {ChatSession} = await import('/static/widget/chat-session.js');
  class Line {
    constructor() {
      window.line = this;
      setTimeout(() => this.onopen());
    }
    send(data) { said.push(JSON.parse(data)); }
    close() {}
  }
  const view = new Proxy({}, {get: (_, name) => (...values) => seen.push([name, values[0]?.t ?? null])});
  Object.assign(memory, {keep(values) { Object.assign(this, values); }});
  Object.assign(window, {WebSocket: Line, said: [], seen: [], memory});
  window.tell = (...frames) => line.onmessage({data: JSON.stringify(frames)});
  window.rid = t => said.findLast(command => command.t === t).rid;
  window.session = new ChatSession({url: 'ws://component.test/ws', channel: 'deep-sea-lab', memory, view});
  window.opened = (chat, k) => ({
    t: 'opened', k, chat, epoch: '1', seq: 0, mode: 'new', state: 'open', credit: {state: 'none'}, msgs: [],
  });
  session.start();
  await new Promise(resolve => setTimeout(resolve));
  tell({t: 'ready', rid: rid('hello')});
}"""
NOTHING = {"chat": None, "openIdem": None, "pending": None}


async def run(page: Page, memory: dict[str, Any], script: str) -> Any:
    """Run a script on a session that remembers this; returns what it returns."""
    await page.evaluate(SESSION, memory)
    return await page.evaluate(f"() => {{ {script} }}")


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
