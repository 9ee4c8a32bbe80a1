import {button} from './dom.js';
import {DrawClock} from './draw-clock.js';
import {Message, loadWalker} from './message.js';
import {ScrollFollower} from './scroll-follower.js';

const COPIED_MS = 2_000;
// What `done.why` leaves as a message's status, and back.
const STATUSES = {user_stop: 'stopped', cap: 'cut', interrupted: 'interrupted', filter: 'failed', error: 'failed'};
const ENDINGS = Object.fromEntries(Object.entries(STATUSES).map(([why, status]) => [status, why]));

/** The messages of a chat in `log`. `actions` has `continue`, `tryAgain`, `earlier(id)`; `said(text)` announces; `followed` as ScrollFollower. */
export class Transcript {
  #log;
  #strings;
  #title;
  #actions;
  #said;
  #messages = new Map();
  #pending = null;
  #live = null;
  #clock = new DrawClock(() => this.#draw());
  #hasRoom = false;
  #earlier = null;
  #scroll;

  constructor({log, strings, title, actions, said, followed}) {
    this.#log = log;
    this.#strings = strings;
    this.#title = title;
    this.#actions = actions;
    this.#said = said;
    this.#scroll = new ScrollFollower(log, followed);
    log.addEventListener('click', event => this.#copy(event.target.closest('[data-copy]')));
    new ResizeObserver(() => this.#makeRoom()).observe(log);
  }

  get isEmpty() {
    return this.#messages.size === 0 && !this.#pending;
  }

  /** The text of the last question; '' when there is none. */
  get lastQuestion() {
    return [...this.#messages.values()].findLast(message => message.isMine)?.text ?? '';
  }

  jump() {
    this.#scroll.follow();
  }

  /** Begin anew from a snapshot. What is as it was keeps the reader's focus and selection; a proposed message stays. */
  reset(messages) {
    const {scrollTop} = this.#log;
    this.#live = null;
    this.#keepOnly(messages);
    let next = this.#log.firstElementChild;
    for (const told of messages) {
      const message = this.#messages.get(told.id) ?? this.#restore(told);
      this.#messages.delete(told.id);
      this.#messages.set(told.id, message); // so that the map is in their order, too
      if (message.element !== next) this.#log.insertBefore(message.element, next);
      next = message.element.nextElementSibling;
    }
    this.#offerEarlier(messages[0]);
    const last = [...this.#messages.values()].findLast(message => message.isMine);
    if (this.#pending && last?.text === this.#pending.text) this.drop(); // it had arrived
    if (this.#pending) this.#log.append(this.#pending.element);
    if (this.#scroll.isFollowing) this.#scroll.follow();
    else this.#log.scrollTop = scrollTop;
  }

  #keepOnly(messages) {
    const known = this.#messages;
    const isSame = ({id, text, status}) => known.get(id)?.text === text && known.get(id).status === status;
    const same = messages.filter(isSame).map(({id}) => [id, known.get(id)]);
    this.#messages = new Map(same);
    this.#earlier?.remove();
    for (const [id, message] of known) if (!this.#messages.has(id)) message.element.remove();
  }

  /** Show older messages above the others; the reader keeps the place. */
  prepend(messages) {
    const {scrollHeight, scrollTop} = this.#log;
    const newer = [...this.#messages];
    this.#messages.clear();
    for (const told of messages) this.#restore(told);
    const older = [...this.#messages.values()].map(({element}) => element);
    this.#log.prepend(...older);
    newer.forEach(([id, message]) => this.#messages.set(id, message));
    this.#offerEarlier(messages[0]);
    this.#log.scrollTop = scrollTop + this.#log.scrollHeight - scrollHeight;
    this.#log.focus();
  }

  // What has a parent is not the first of its chat.
  #offerEarlier(first) {
    this.#earlier?.remove();
    if (!first?.parent) return;
    this.#earlier = button(this.#strings.earlier, {className: 'earlier', onclick: () => this.#actions.earlier(first.id)});
    this.#log.prepend(this.#earlier);
  }

  #restore(told) {
    const isAnswer = told.type === 'ai';
    const message = this.#add(told.id, isAnswer, told);
    message.append(told.text);
    message.draw();
    message.status = told.status;
    if (told.status === 'streaming') this.#setLive(message);
    else if (ENDINGS[told.status]) this.#end(message, ENDINGS[told.status]);
    return message;
  }

  /** Show a message before the server has it. */
  propose(text) {
    this.#pending = this.#make(null, false, {who: {me: true}});
    this.#pending.append(text);
    this.#pending.draw();
    this.#pending.element.classList.add('pending');
    this.#log.append(this.#pending.element);
    this.#toTop();
  }

  /** The proposed message was stored as `id`. */
  accept(id) {
    if (!this.#pending) return;
    if (this.#messages.has(id)) this.drop();
    else this.#keep(id);
  }

  #keep(id) {
    this.#pending.id = id;
    this.#pending.element.classList.remove('pending');
    this.#messages.set(id, this.#pending);
    this.#pending = null;
  }

  drop() {
    this.#pending?.element.remove();
    this.#pending = null;
  }

  apply(event) {
    switch (event.t) {
      case 'user': return this.#user(event);
      case 'start': return this.#start(event);
      case 'd': return this.#append(event);
      case 'snap': return this.#replace(event);
      default: return undefined;
    }
  }

  #user(event) {
    if (this.#messages.has(event.id)) return;
    if (event.who?.me && this.#pending?.text === event.text) {
      this.#keep(event.id);
      return;
    }
    const message = this.#add(event.id, false, event);
    message.append(event.text);
    message.draw();
    this.#scroll.keep();
  }

  #start(event) {
    this.#setLive(this.#add(event.id, true, event));
    this.#makeRoom();
    this.#scroll.keep();
  }

  #append(event) {
    this.#live?.append(event.x);
    this.#clock.request();
  }

  #replace(event) {
    const message = this.#messages.get(event.id);
    if (!message) return;
    message.replace(event.text);
    if (message === this.#live) message.isLive = true;
    this.#clock.request();
  }

  /** The running answer ended; `tokens` is what it took, 0 or less when that is not known. Gives its {text, note}. */
  finish(event, tokens) {
    const message = this.#messages.get(event.id);
    if (!message) return {text: '', note: ''};
    this.#clock.flush();
    message.isLive = false;
    message.status = STATUSES[event.why] ?? 'done';
    this.#live = null;
    const note = this.#end(message, event.why, tokens);
    this.#scroll.keep();
    return {text: message.text, note};
  }

  #end(message, why, tokens) {
    const {done, action} = this.#strings;
    const name = {user_stop: 'continue', interrupted: 'continue', error: 'tryAgain'}[why];
    const act = name && button(action[name], {className: 'link', onclick: this.#actions[name]});
    const note = done[why]?.(tokens) ?? '';
    message.note(note, act);
    return note;
  }

  #setLive(message) {
    this.#live = message;
    message.isLive = true;
    message.status = 'streaming';
  }

  #add(id, isAnswer, told) {
    const message = this.#make(id, isAnswer, told);
    this.#messages.set(id, message);
    this.#log.append(message.element);
    return message;
  }

  #make(id, isAnswer, {who, at}) {
    const isMine = !isAnswer && who?.me === true;
    const author = isAnswer ? this.#title() : isMine ? this.#strings.you : (who?.name ?? '');
    const redraw = () => this.#clock.request();
    const message = new Message({id, author, isAnswer, isMine, at, strings: this.#strings, redraw});
    message.isMine = isMine;
    return message;
  }

  #draw() {
    for (const message of this.#messages.values()) message.draw();
    this.#scroll.keep();
  }

  // The newest question goes to the top of the log, with room below it for the answer.
  #toTop() {
    loadWalker();
    this.#hasRoom = true;
    this.#makeRoom();
    this.#scroll.follow();
  }

  #makeRoom() {
    const question = this.#pending?.element ?? [...this.#log.querySelectorAll('article.mine')].at(-1);
    if (!this.#hasRoom || !question) return;
    const {paddingBlockStart, paddingBlockEnd} = getComputedStyle(this.#log);
    const {marginBlockEnd} = getComputedStyle(question);
    const taken = [paddingBlockStart, paddingBlockEnd, marginBlockEnd].reduce((sum, length) => sum + parseFloat(length), 0);
    const room = this.#log.clientHeight - question.offsetHeight - taken;
    this.#log.style.setProperty('--room', `${Math.max(0, room)}px`);
  }

  async #copy(source) {
    if (!source) return;
    const isCode = source.dataset.copy === 'code';
    const article = source.closest('article');
    const message = [...this.#messages.values()].find(({element: shown}) => shown === article);
    const text = isCode ? source.closest('.code').querySelector('code').textContent : (message?.text ?? '');
    const {copy, copied, notCopied} = this.#strings;
    const outcome = await navigator.clipboard.writeText(text).then(() => copied, () => notCopied);
    source.textContent = outcome;
    this.#said(outcome);
    setTimeout(() => { source.textContent = copy; }, COPIED_MS);
  }
}
