import {Composer} from './composer.js';
import {button, element, setText} from './dom.js';
import {TokenMeter} from './token-meter.js';

/** The widget's parts. `on` has what the reader can do: submit, stop, edit, focus, jump, act(name), and `shop`, a link. */
export class Frame {
  title = element('span');
  demo = element('span', {className: 'demo', hidden: true});
  state = element('span', {className: 'state'});
  log = element('div', {className: 'log', role: 'log', 'aria-live': 'off', tabIndex: 0, part: 'log'});
  jump;
  notice = element('div', {id: 'notice', className: 'notice', part: 'notice', hidden: true});
  meter;
  composer;
  element;

  #strings;
  #on;
  #status = element('div', {className: 'hidden', role: 'status'});
  #alert = element('div', {className: 'hidden', role: 'alert'});
  #noticeKey = '';
  #actions = '';

  constructor(strings, on) {
    this.#strings = strings;
    this.#on = on;
    this.meter = new TokenMeter(strings);
    this.composer = new Composer(strings, on);
    this.demo.textContent = strings.demo;
    this.demo.title = strings.demoTitle;
    this.log.setAttribute('aria-label', strings.conversation);
    this.notice.append(element('p'));
    this.log.classList.toggle('no-clipboard', !navigator.clipboard);
    const jump = button(strings.jump, {part: 'jump', onclick: on.jump});
    this.jump = element('div', {className: 'jump', hidden: true}, jump);
    const title = element('h2', {className: 'title'}, this.title, this.demo);
    const head = element('div', {className: 'head', part: 'head'}, title, this.state, this.meter.element);
    const parts = [head, this.log, this.jump, this.notice, this.composer.element, this.#status, this.#alert];
    this.element = element('section', {className: 'frame', part: 'frame'}, ...parts);
  }

  name(title) {
    setText(this.title, title);
    this.element.setAttribute('aria-label', this.#strings.chatWith(title));
    this.composer.name(this.#strings, title);
  }

  say(text) {
    this.#status.textContent = text;
  }

  warn(text) {
    this.#alert.textContent = text;
  }

  /** Show a notice of noticeFor; a new one is announced, its buttons come and go unsaid. */
  show(notice) {
    const {key = '', tone = '', text = '', actions = [], isEnd = false} = notice ?? {};
    this.notice.hidden = !text;
    if (key !== this.#noticeKey) {
      this.#noticeKey = key;
      const wasAlert = this.notice.classList.contains('alert');
      this.notice.className = `notice ${tone} ${isEnd ? 'end' : ''}`;
      if (tone === 'alert') this.warn(text);
      else if (wasAlert) this.warn('');
      if (text && tone !== 'alert') this.say(text);
    }
    if (text) setText(this.notice.firstChild, text);
    this.#offer(actions);
  }

  // Who was on a button that goes stands on the next one, or just before its place.
  #offer(actions) {
    if (this.#actions === String(actions)) return;
    this.#actions = String(actions);
    const hadFocus = this.notice.contains(this.element.getRootNode().activeElement);
    const buttons = actions.map(name => (name === 'buy'
      ? element('a', {textContent: this.#strings.action.buy, ...this.#on.shop})
      : button(this.#strings.action[name], {onclick: () => this.#on.act(name)})));
    this.notice.replaceChildren(this.notice.firstChild, ...buttons);
    if (hadFocus) (buttons[0] ?? this.log).focus();
  }
}

/** What stands in the log before anything was said; `ask(text)` is called by a starter. */
export function welcome(strings, greeting, starters, ask) {
  const list = element('ul', {className: 'starters', 'aria-label': strings.starters});
  list.append(...starters.map(text => element('li', {}, button(text, {onclick: () => ask(text)}))));
  return element('div', {className: 'welcome'}, element('p', {textContent: greeting}), list);
}

export function skeleton() {
  const line = () => element('div', {className: 'skeleton'});
  return element('div', {'aria-hidden': 'true'}, line(), line(), line());
}
