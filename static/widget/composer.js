import {button, element} from './dom.js';

const isTouch = matchMedia('(pointer: coarse)');

/** Where a message is written. `on` has `submit(text)`, `stop()`, `edit(text)` and `focus()`. */
export class Composer {
  #input;
  #send;
  #stop;
  #hint;

  constructor(strings, on) {
    this.#input = element('textarea', {rows: 1, enterKeyHint: 'send', autocomplete: 'off', dir: 'auto', part: 'input', 'aria-describedby': 'hint notice'});
    this.#send = element('button', {type: 'submit', part: 'send'});
    this.#stop = button(strings.stop, {className: 'quiet', part: 'stop', hidden: true, onclick: on.stop});
    this.#hint = element('p', {id: 'hint', className: 'hint', textContent: strings.hint});
    this.element = element('form', {className: 'composer', part: 'composer'}, this.#input, this.#send, this.#stop, this.#hint);
    this.#input.addEventListener('keydown', event => this.#key(event));
    this.#input.addEventListener('input', () => on.edit(this.text));
    this.#input.addEventListener('focus', on.focus, {once: true});
    this.element.addEventListener('submit', event => {
      event.preventDefault();
      if (this.#send.ariaDisabled !== 'true' && !this.#send.hidden) on.submit(this.text);
    });
  }

  get text() {
    return this.#input.value;
  }

  set text(text) {
    this.#input.value = text;
  }

  focus() {
    this.#input.focus();
  }

  name(strings, title) {
    this.#input.placeholder = strings.placeholder(title);
    this.#input.setAttribute('aria-label', strings.messageTo(title));
  }

  /** `label` of the send button, whether it may send, and whether there is an answer to stop instead. */
  show({label, canSend, canStop}) {
    const hadFocus = this.element.getRootNode().activeElement;
    this.#send.textContent = label;
    this.#send.ariaDisabled = String(!canSend);
    this.#send.hidden = canStop;
    this.#stop.hidden = !canStop;
    if (hadFocus?.hidden) this.focus();
  }

  // Enter sends, but not while an input method composes: Safari ends the composition before it tells of the key, so
  // only the old key code 229 shows it. On a touch keyboard Enter makes a new line and the button sends.
  #key(event) {
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing || event.keyCode === 229 || isTouch.matches) return;
    event.preventDefault();
    this.element.requestSubmit();
  }
}
