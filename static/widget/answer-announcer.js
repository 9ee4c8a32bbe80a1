// Tells those who listen to the page that an answer is being written, without reading every word of it aloud.
const STILL_MS = 7_000;
const READ_WHOLE_LENGTH = 400;

const countWords = text => text.split(/\s+/u).filter(Boolean).length;

/** Speaks through `say(text)`, which announces politely. */
export class AnswerAnnouncer {
  #say;
  #strings;
  #timer = 0;

  constructor(strings, say) {
    this.#strings = strings;
    this.#say = say;
  }

  begin(title) {
    this.cancel();
    this.#say(this.#strings.answering(title));
    this.#timer = setInterval(() => this.#again(), STILL_MS);
  }

  /** The answer is complete: a short one is read whole, of a long one its length is told. */
  end(text) {
    this.cancel();
    this.#say(text && text.length < READ_WHOLE_LENGTH ? text : this.#strings.complete(countWords(text)));
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
