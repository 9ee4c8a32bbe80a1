import {element, setText} from './dom.js';

/** The tape in the head of the chat, with its captions: how many tokens are used. */
export class TokenMeter {
  #strings;
  #needle = element('span', {className: 'needle'});
  #tape;
  #used = caption('used');
  #credit = caption('credit');

  constructor(strings) {
    this.#strings = strings;
    this.#tape = element('div', {className: 'tape', role: 'meter', 'aria-label': strings.tape, 'aria-valuemin': 0}, this.#needle);
    const captions = element('p', {className: 'captions'}, this.#used.whole, this.#used.short, this.#credit.whole, this.#credit.short);
    this.element = element('div', {className: 'meter', part: 'meter', hidden: true}, this.#tape, captions);
  }

  /** Show `usage` ({used, cap}; without it nothing), and whether this chat has taken its credit. */
  show(usage, hasTakenCredit) {
    this.element.hidden = !usage;
    if (!usage) return;
    const {used, cap} = usage;
    const strings = this.#strings;
    const text = strings.used(used, cap);
    this.#used.say(text, strings.usedShort(used, cap));
    this.#credit.say(hasTakenCredit ? strings.creditUsed : '', hasTakenCredit ? strings.creditUsedShort : '');
    this.#needle.style.setProperty('inset-inline-start', `${Math.min(100, (used / cap) * 100)}%`);
    Object.assign(this.#tape, {ariaValueMax: cap, ariaValueNow: used, ariaValueText: text});
  }
}

// Which of the two is seen depends on the width of the widget.
function caption(name) {
  const whole = element('span', {className: `whole ${name}`});
  const short = element('span', {className: `short ${name}`, 'aria-hidden': 'true'});
  const say = (text, shortText) => {
    setText(whole, text);
    setText(short, shortText);
  };
  return {whole, short, say};
}
