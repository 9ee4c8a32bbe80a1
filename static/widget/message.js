import {button, element} from './dom.js';

let walkerModule = null;

/** Load what draws markdown; it is needed from the first answer on. Resolves to null when it cannot be loaded. */
export function loadWalker() {
  walkerModule ??= import('./markdown-walker.js').catch(() => {
    walkerModule = null; // the next answer tries again
    return null;
  });
  return walkerModule;
}

/** A message on the screen. `text` is what was written so far, as it came; `status` as in a snapshot. */
export class Message {
  text = '';
  status = 'done';

  #body = element('div', {className: 'body'});
  #note = element('p', {className: 'note', hidden: true});
  #walker = null;
  #isPlain;
  #drawn = 0;
  #strings;

  /** `author` is shown above the text; `isMine` and `isAnswer` decide how it looks. */
  constructor({id, author, isAnswer, isMine, at, strings, redraw}) {
    this.id = id;
    this.#strings = strings;
    this.#isPlain = !isAnswer;
    const name = element('span', {className: 'who', textContent: author});
    const copy = button(strings.copy, {className: 'copy', 'aria-label': strings.copyMessage, 'data-copy': 'message'});
    const foot = element('div', {className: 'foot'}, this.#note, time(at), copy);
    const part = `message message-${isAnswer ? 'ai' : 'you'}`;
    const kind = isAnswer ? 'answer' : isMine ? 'mine' : 'theirs';
    this.element = element('article', {className: kind, part, 'aria-label': author}, name, this.#body, foot);
    if (isAnswer) this.#becomeRich(redraw);
    else this.#body.classList.add('plain');
    this.#body.dir = 'auto';
  }

  async #becomeRich(redraw) {
    const module = await loadWalker();
    if (module) this.#walker = new module.MarkdownWalker(this.#body, this.#strings);
    else this.#isPlain = true;
    this.#body.classList.add(module ? 'rich' : 'plain');
    redraw();
  }

  /** Whether an answer is being written here; before its first word it says so. */
  set isLive(isLive) {
    this.element.classList.toggle('live', isLive);
    this.element.classList.toggle('thinking', isLive && !this.text);
    this.#body.dataset.thinking = this.#strings.thinking;
  }

  append(text) {
    this.text += text;
    this.element.classList.remove('thinking');
  }

  replace(text) {
    this.text = text;
    this.#drawn = 0;
    this.#body.replaceChildren();
    if (this.#walker) this.#walker = new this.#walker.constructor(this.#body, this.#strings);
  }

  /** Draw what was appended. */
  draw() {
    const piece = this.text.slice(this.#drawn);
    if (!piece || !(this.#walker || this.#isPlain)) return;
    this.#drawn = this.text.length;
    if (this.#walker) this.#walker.write(piece);
    else this.#body.append(piece);
  }

  /** Say below the text how it ended; `action` is a button, if something can be done. */
  note(text, action) {
    this.#note.hidden = !text;
    this.#note.replaceChildren(text, ' ', action ?? '');
  }
}

function time(at) {
  const moment = new Date(at ?? Date.now());
  const label = moment.toLocaleTimeString([], {hour: '2-digit', minute: '2-digit'});
  return element('time', {dateTime: moment.toISOString(), textContent: label});
}
