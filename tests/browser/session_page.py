"""The widget's session on a page without a widget, and a server that says what a test says."""

from typing import Any

from playwright.async_api import Page

# A session on a server that says what the test says: `said` are its commands, `tell(…)` is a frame of the server,
# `seen` what its view was told; `comeBack()` loses the line and makes another.
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
  window.session = new ChatSession({base: 'ws://component.test/', channel: 'deep-sea-lab', memory, view});
  window.opened = (chat, k) => ({
    t: 'opened', k, chat, epoch: '1', seq: 0, mode: 'new', state: 'open', credit: {state: 'none'}, msgs: [],
  });
  const connect = async () => {
    await new Promise(resolve => setTimeout(resolve));
    tell({t: 'ready', rid: rid('hello')});
  };
  window.comeBack = () => {
    line.onclose({code: 1006});
    session.socket.retryNow();
    return connect();
  };
  session.start();
  await connect();
}"""
NOTHING = {"chat": None, "openIdem": None, "pending": None}


async def run(page: Page, memory: dict[str, Any], script: str) -> Any:
    """Run a script on a session that remembers this; returns what it returns."""
    await page.evaluate(SESSION, memory)
    return await page.evaluate(f"async () => {{ {script} }}")
