const ENDED = 4004; // the frame's session: the next ticket begins another one

/**
 * A WebSocket, as far as chat-socket.js uses one, that gets a ticket before it opens. `session` gives the tickets,
 * `heard(event)` is told what the server says.
 */
export const ticketSocket = (session, heard) => class {
  onopen = null;
  onmessage = null;
  onclose = null;

  #socket = null;
  #isClosed = false;

  constructor(url, protocols) {
    this.#open(url, protocols);
  }

  async #open(url, protocols) {
    const {ticket, code} = await session.ticket();
    if (this.#isClosed) return;
    if (!ticket) {
      this.onclose({code});
      return;
    }
    this.#socket = new WebSocket(url, [...protocols, `t.${ticket}`]);
    this.#socket.onopen = () => this.onopen?.();
    this.#socket.onclose = ({code}) => this.onclose?.({code: code === ENDED ? null : code});
    this.#socket.onmessage = event => {
      if (/"t":"(ready|who)"/.test(event.data)) [JSON.parse(event.data)].flat().forEach(heard);
      this.onmessage?.(event);
    };
  }

  send(text) {
    this.#socket.send(text);
  }

  close() {
    this.#isClosed = true;
    this.#socket?.close();
  }
};
