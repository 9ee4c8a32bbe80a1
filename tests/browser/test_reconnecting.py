"""How long the widget's socket waits before it comes back; on a server that only closes."""

from playwright.async_api import Page

# A socket whose server closes each connection as `close(code)` says. Time stands still, and chance gives one half.
SOCKET = """async () => {
  const {ChatSocket} = await import('/static/widget/chat-socket.js');
  class Line {
    constructor() { window.line = this; }
    send() {}
    close() {}
  }
  Date.now = () => 0;
  Math.random = () => 0.5;
  window.WebSocket = Line;
  const socket = new ChatSocket('ws://component.test/', {phaseChanged() {}, ready() {}, received() {}});
  socket.start();
  window.waitAfter = code => {
    line.onclose({code});
    const wait = socket.retryAt;
    socket.retryNow();
    return wait;
  };
}"""
REJOIN_MS = 3_000  # what stands for ready.rj until a server has said it


async def test_only_the_first_loss_waits_up_to_the_rejoin_time(component_page: Page) -> None:
    await component_page.evaluate(SOCKET)
    waits = await component_page.evaluate("() => [1006, 1006, 1006].map(waitAfter)")
    assert waits == [REJOIN_MS / 2, 500 + 500, 500 + 1_000]


async def test_a_server_that_drains_is_left_alone_for_the_rejoin_time_however_often(component_page: Page) -> None:
    await component_page.evaluate(SOCKET)
    waits = await component_page.evaluate("() => [1006, 1006, 4001, 4001].map(waitAfter)")
    assert waits[2:] == [REJOIN_MS / 2, REJOIN_MS / 2]
