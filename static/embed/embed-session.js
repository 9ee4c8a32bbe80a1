// Who chats in a frame on another site, where cookies are kept apart or refused: the holder of a token in local storage.
const NOT_ALLOWED = 4501;
const GONE = 4506;
const CODES = new Map([[401, NOT_ALLOWED], [403, NOT_ALLOWED], [404, GONE]]); // others may pass

/** The session of one channel's chat. `told.replaced()` is called when the one that was kept has ended, and another began. */
export class EmbedSession {
  #base;
  #channel;
  #told;
  #token = null; // where storage is refused: as long as the page lives

  constructor(base, channel, told) {
    this.#base = base;
    this.#channel = channel;
    this.#told = told;
  }

  get #key() {
    return `tallylight embed ${this.#base.origin} ${this.#channel}`;
  }

  /** The newest token, which another frame of this channel may have got; null: there is none. */
  get token() {
    try {
      return localStorage.getItem(this.#key) ?? this.#token;
    } catch {
      return this.#token;
    }
  }

  keep(token) {
    this.#token = token;
    try {
      localStorage.setItem(this.#key, token);
    } catch { /* refused or full: this page still has it */ }
  }

  /** A new ticket as {ticket}; {code}, the close code of a socket that will not open, where there is none. */
  async ticket() {
    const embedSession = this.token;
    const response = await this.#ask('api/ws-tickets', {channel: this.#channel, ...(embedSession && {embedSession})});
    if (!response?.ok) return {code: CODES.get(response?.status) ?? null};
    const answer = await response.json();
    if (answer.embedSession) {
      this.keep(answer.embedSession);
      if (embedSession) this.#told.replaced();
    }
    return {ticket: answer.ticket};
  }

  /** Become the user who gave this code to the holder of this secret; false when that came to nothing. */
  async signIn({code, verifier}) {
    const embedSession = this.token;
    const body = {channel: this.#channel, code, verifier, ...(embedSession && {embedSession})};
    const response = await this.#ask('api/embed-sessions', body);
    if (!response?.ok) return false;
    this.keep((await response.json()).embedSession);
    return true;
  }

  #ask(path, body) {
    const headers = {'content-type': 'application/json'};
    const options = {method: 'POST', credentials: 'omit', headers, body: JSON.stringify(body)};
    return fetch(new URL(path, this.#base), options).catch(() => null); // whoever reconnects asks again
  }
}
