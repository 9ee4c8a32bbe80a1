// A websocket that speaks tallylight.v1 and comes back by itself; chats are chat-session.js's.
const PROTOCOL = 'tallylight.v1';
const CLIENT = 'widget/1.0';
const ANSWER_LIMIT_MS = 10_000; // for a connection to open, and for a ping
const DEFAULT_HEARTBEAT_MS = 25_000;
const DEFAULT_RECONNECT_JITTER_MS = 3_000;
const RETRY_FLOOR_MS = 500;
const RETRY_LIMIT_MS = 20_000;
const DRAINING = 4001;

const STOP_CODES = new Set([1000, 1003, 1007, 1009, 4004]); // 4004: the session has ended
const staysClosed = code => STOP_CODES.has(code) || (code >= 4500 && code <= 4999);

/** `listener` has `phaseChanged(socket)`, `ready(event)` and `received(event)`; replies are dropped with the connection. */
export class ChatSocket {
  /** 'connecting', 'ready', 'waiting' (until `retryAt`) or 'refused' (with `closeCode`). */
  phase = 'connecting';
  retryAt = 0;
  closeCode = null;
  /** When the connection was lost, by `Date.now()`; null while there is one. */
  lostAt = null;
  limits = {};

  #url;
  #listener;
  #Socket;
  #socket = null;
  #replies = new Map();
  #nextRid = 1;
  #attempt = 0;
  #heardAt = 0;
  #isPinged = false;
  #timer = 0;
  #heartbeatMs = DEFAULT_HEARTBEAT_MS;
  #reconnectJitterMs = DEFAULT_RECONNECT_JITTER_MS;

  /** `base` is the server's address, `Socket` what opens connections. */
  constructor(base, listener, Socket = WebSocket) {
    this.#url = new URL('ws', String(base).replace('http', 'ws'));
    this.#listener = listener;
    this.#Socket = Socket;
  }

  /** Connect, and stay connected until `stop`. */
  start() {
    addEventListener('online', this.#wake);
    document.addEventListener('visibilitychange', this.#wake);
    this.#connect();
  }

  stop() {
    removeEventListener('online', this.#wake);
    document.removeEventListener('visibilitychange', this.#wake);
    this.#drop();
  }

  retryNow() {
    if (this.phase === 'waiting') this.#connect();
  }

  /** Call this when everything is resumed: only then the next loss counts as the first one. */
  settled() {
    this.#attempt = 0;
  }

  /** Send a command; `onReply` gets what answers it. False when there is no connection. */
  request(command, onReply = () => {}) {
    if (this.phase !== 'ready') return false;
    this.#send({rid: this.#nextRid, ...command});
    this.#replies.set(this.#nextRid++, onReply);
    return true;
  }

  #send(command) {
    this.#socket.send(JSON.stringify(command));
  }

  #setPhase(phase) {
    this.phase = phase;
    this.#listener.phaseChanged(this);
  }

  #connect() {
    clearTimeout(this.#timer);
    const socket = new this.#Socket(this.#url, [PROTOCOL]);
    this.#socket = socket;
    socket.onopen = () => this.#send({t: 'hello', rid: this.#nextRid++, client: CLIENT});
    socket.onmessage = ({data}) => this.#hear([JSON.parse(data)].flat());
    socket.onclose = ({code}) => this.lose(code);
    this.#timer = setTimeout(() => this.lose(null), ANSWER_LIMIT_MS);
    this.#setPhase('connecting');
  }

  #hear(events) {
    this.#heardAt = performance.now();
    this.#isPinged = false;
    for (const event of events) {
      const reply = event.rid === undefined ? null : this.#replies.get(event.rid);
      this.#replies.delete(event.rid);
      if (event.t === 'ready') this.#welcome(event);
      else if (reply) reply(event);
      else this.#listener.received(event);
    }
  }

  #welcome(event) {
    this.#heartbeatMs = event.hb ?? DEFAULT_HEARTBEAT_MS;
    this.#reconnectJitterMs = event.rj ?? DEFAULT_RECONNECT_JITTER_MS;
    this.limits = event.limits ?? {};
    this.lostAt = null;
    this.#setPhase('ready');
    this.#listen();
    this.#listener.ready(event);
  }

  // Silence for a heartbeat → ping; silence after that → the connection is dead, whatever the browser believes.
  #listen = () => {
    const silence = performance.now() - this.#heardAt;
    const limit = this.#heartbeatMs + (this.#isPinged ? ANSWER_LIMIT_MS : 0);
    clearTimeout(this.#timer);
    if (silence < limit) {
      this.#timer = setTimeout(this.#listen, limit - silence);
    } else if (this.#isPinged) {
      this.lose(null);
    } else {
      this.#ping();
    }
  };

  #ping() {
    this.#isPinged = true;
    this.#heardAt = performance.now() - this.#heartbeatMs;
    this.#send({t: 'ping', n: 1});
    this.#timer = setTimeout(this.#listen, ANSWER_LIMIT_MS);
  }

  #wake = () => {
    if (document.visibilityState === 'hidden') return;
    if (this.phase === 'waiting') this.#connect();
    else if (this.phase === 'ready') this.#listen();
  };

  #drop() {
    clearTimeout(this.#timer);
    this.#replies.clear();
    const socket = this.#socket;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null; // a dead connection may take minutes to tell
    socket.close();
    this.#socket = null;
  }

  /** Take the connection as closed with `code`. */
  lose(code) {
    this.#drop();
    this.lostAt ??= Date.now();
    this.closeCode = code;
    if (staysClosed(code)) {
      this.#setPhase('refused');
      return;
    }
    const delay = this.#delay(code);
    this.retryAt = Date.now() + delay;
    this.#timer = setTimeout(() => this.#connect(), delay);
    this.#setPhase('waiting');
  }

  // The first wait spreads the clients of a lost server; so does every wait after one that drains.
  #delay(code) {
    const attempt = this.#attempt++;
    if (attempt === 0 || code === DRAINING) return Math.random() * this.#reconnectJitterMs;
    return Math.min(RETRY_LIMIT_MS, RETRY_FLOOR_MS * (1 + Math.random() * 2 ** attempt));
  }
}
