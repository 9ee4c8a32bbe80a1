const STILL_MS = 7_000;
const READ_WHOLE_LENGTH = 400;
const FAILURES = new Set(['error', 'filter', 'interrupted']);

const countWords = text => text.split(/\s+/u).filter(Boolean).length;

/** Tells those who listen of an answer, politely by `say(text)`, at once by `warn(text)`. */
export class AnswerAnnouncer {
  #say;
  #warn;
  #strings;
  #timer = 0;

  constructor(strings, say, warn) {
    this.#strings = strings;
    this.#say = say;
    this.#warn = warn;
  }

  begin(title) {
    this.cancel();
    this.#say(this.#strings.answering(title));
    this.#timer = setInterval(() => this.#again(), STILL_MS);
  }

  /** The answer ended: `why` as in `done`, `note` as below it. A short one is read whole, but not to who stopped it. */
  end(why, {text, note}) {
    this.cancel();
    if (FAILURES.has(why)) this.#warn(note);
    else if (why === 'user_stop') this.#say(note);
    else if (text.length < READ_WHOLE_LENGTH) this.#say(`${text} ${note}`.trim());
    else this.#say(note || this.#strings.complete(countWords(text)));
  }

  cancel() {
    clearInterval(this.#timer);
  }

  // A live region tells only what changes.
  #again() {
    this.#say('');
    requestAnimationFrame(() => this.#say(this.#strings.still));
  }
}
