// Signing in from a frame: a window of our own site asks, and answers with a code for the secret that is kept here.
const CLOSED_LOOK_MS = 400;

const base64url = bytes => btoa(String.fromCharCode(...new Uint8Array(bytes))).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
const random = count => base64url(crypto.getRandomValues(new Uint8Array(count)));

/** The origin of the page around this frame; null where nobody says. */
function siteAround() {
  const named = location.ancestorOrigins?.[0] ?? (document.referrer && new URL(document.referrer).origin);
  return named && named !== location.origin ? named : null;
}

/** `told` has `blocked()`, `closed()` (nothing came of it) and `arrived({code, verifier})`. */
export class SignIn {
  #url;
  #told;
  #kept = null; // {verifier, state, challenge} of the next window: it has to open in the very click
  #window = null;
  #timer = 0;

  constructor(base, channel, told) {
    this.#url = new URL(`embed/${encodeURIComponent(channel)}/sign-in`, base);
    this.#told = told;
    addEventListener('message', event => this.#hear(event));
  }

  /** Make ready for the next click. */
  async prepare() {
    const verifier = random(32);
    const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier));
    this.#kept = {verifier, challenge: base64url(digest), state: random(16)};
  }

  open() {
    if (!this.#kept) return; // the code of the window before is being exchanged
    const {challenge, state} = this.#kept;
    const site = siteAround();
    this.#url.search = new URLSearchParams({challenge, state, ...(site && {site})});
    clearInterval(this.#timer);
    this.#window = window.open(this.#url, '_blank', 'popup,width=520,height=720');
    if (!this.#window) {
      this.#told.blocked();
      return;
    }
    this.#timer = setInterval(() => this.#look(), CLOSED_LOOK_MS);
  }

  // Closed, or cut off from us by a page on the way: these look the same. What was said before comes before.
  #look() {
    if (!this.#window.closed) return;
    clearInterval(this.#timer);
    this.#timer = setTimeout(() => this.#told.closed(), CLOSED_LOOK_MS);
  }

  #hear({origin, source, data}) {
    if (origin !== location.origin || source !== this.#window || data?.type !== 'tallylight-sign-in') return;
    if (data.state !== this.#kept?.state) return;
    clearInterval(this.#timer);
    clearTimeout(this.#timer);
    const {verifier} = this.#kept;
    this.#kept = null;
    this.#told.arrived({code: data.code, verifier});
  }
}
