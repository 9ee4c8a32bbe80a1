const POLL_MS = {warming: 3_000, unavailable: 15_000};

/** What is known of one channel, null where it was not told; `changed()` is called when any of it did. */
export class ChannelFacts {
  title = null;
  status = null;
  balance = null;
  model = null;
  /** Whether credits came after there were none. */
  hasNewCredits = false;

  #url;
  #changed;
  #timer = 0;
  #generation = 0; // of reads; only the newest one counts

  constructor(base, name, changed) {
    this.#url = new URL(`api/channels/${encodeURIComponent(name)}`, base);
    this.#changed = changed;
  }

  /** Ask the server; again and again, gently, while the model is not ready. */
  async read() {
    this.forget();
    const generation = this.#generation;
    const response = await fetch(this.#url).catch(() => null); // whoever reconnects asks again
    if (!response?.ok) return;
    const {title, status, creditBalance, model} = await response.json();
    if (generation !== this.#generation) return;
    Object.assign(this, {title, model});
    this.tell({status, balance: creditBalance});
    const pause = POLL_MS[model?.state];
    if (pause) this.#timer = setTimeout(() => this.read(), pause);
  }

  forget() {
    this.#generation++;
    clearTimeout(this.#timer);
  }

  /** Take over a state or a balance that came in another way. */
  tell({status = this.status, balance = this.balance}) {
    if (this.balance === 0 && balance > 0) this.hasNewCredits = true;
    Object.assign(this, {status: status?.toUpperCase() ?? null, balance});
    this.#changed();
  }
}
