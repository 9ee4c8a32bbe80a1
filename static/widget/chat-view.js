import {AnswerAnnouncer} from './answer-announcer.js';
import {ChannelFacts} from './channel-facts.js';
import {readEarlier} from './chat-history.js';
import {ChatMemory} from './chat-memory.js';
import {ChatSession} from './chat-session.js';
import {setText} from './dom.js';
import {Frame, skeleton, welcome} from './frame.js';
import {loadWalker} from './message.js';
import {isRefunded, noticeFor} from './notices.js';
import strings from './strings.en.js';
import {Transcript} from './transcript.js';

const BACK_SHOWN_MS = 2_000;
const TICK_MS = 1_000;
const CHARACTERS_DEFAULT = 16_000;
const NOT_STOPPED = 'not_stopped'; // stands beside the server's codes

/**
 * The chat as its reader sees it. `options`: {base, channel, heading, greeting, starters}; greeting null is the usual one.
 * `tell(type, detail)` is called for what the page may want to know; `finished()` when an answer has ended.
 */
export class ChatView {
  frame;

  #options;
  #tell;
  #finishedAnswer;
  #facts;
  #memory;
  #session;
  #transcript;
  #announcer;
  #opening = null; // greeting or skeleton, while nothing was said
  #usage = null;
  #usedBefore = null;
  #refusal = null;
  #hadCredits = false; // when the reader asked
  #waitingSince = null;
  #since = null;
  #back = {until: 0, text: ''};
  #wasOpened = false;
  #hasLoaded = false;
  #tick = 0;

  constructor(options, tell, finished) {
    this.#options = options;
    this.#tell = tell;
    this.#finishedAnswer = finished;
    this.#facts = new ChannelFacts(options.base, options.channel, () => this.#factsChanged());
    this.#memory = new ChatMemory(options.base.origin, options.channel);
    this.frame = new Frame(strings, this.#reader());
    this.#announcer = new AnswerAnnouncer(strings.status, text => this.frame.say(text), text => this.frame.warn(text));
    this.#transcript = new Transcript({
      log: this.frame.log, strings, title: () => this.#title, said: text => this.frame.say(text),
      followed: isFollowing => { this.frame.jump.hidden = isFollowing; },
      actions: {
        continue: () => this.ask(strings.continueText),
        tryAgain: () => this.ask(this.#transcript.lastQuestion),
        earlier: id => this.#showEarlier(id),
      },
    });
    const {base, channel, Socket} = options;
    this.#session = new ChatSession({base, channel, memory: this.#memory, view: this.#listener(), Socket});
    this.frame.name(this.#title);
    this.frame.composer.text = this.#memory.draft ?? '';
    if (this.#memory.pending) this.#propose(this.#memory.pending.text);
    this.#showOpening();
  }

  get isBusy() {
    return this.#session.isBusy;
  }

  get #isOwnSite() {
    return this.#options.base.origin === location.origin && top === self;
  }

  get #title() {
    return this.#facts.title ?? this.#options.heading ?? this.#options.channel;
  }

  start() {
    if (this.#since !== null) return;
    this.#since = Date.now();
    this.#session.start();
    this.#render();
  }

  end() {
    clearTimeout(this.#tick);
    this.#announcer.cancel();
    this.#facts.forget();
    this.#session.close();
  }

  /** Send `text`, opening a chat if there is none. False when that is not possible now. */
  ask(text) {
    const message = text.toWellFormed().replaceAll('\0', '').trim();
    if (!message || !this.#canSend(this.#notice(message))) return false;
    this.#refusal = null;
    this.#facts.hasNewCredits = false;
    this.#hadCredits = this.#facts.balance > 0;
    this.#propose(message);
    this.#session.send(message);
    this.#render();
    return true;
  }

  stop() {
    this.#session.stop();
  }

  #reader() {
    return {
      submit: text => this.#submit(text),
      stop: () => this.stop(),
      edit: text => this.#edit(text),
      focus: loadWalker,
      jump: () => {
        this.#transcript.jump();
        this.frame.log.focus();
      },
      act: name => this.#act(name),
      shop: { // on our own site only; a page of another one stays open
        href: new URL(`c/${encodeURIComponent(this.#options.channel)}/contribute`, this.#options.base),
        target: this.#isOwnSite ? '' : '_blank',
      },
    };
  }

  #submit(text) {
    if (!this.ask(text)) return;
    this.#write('');
    this.#render();
  }

  #write(text) {
    this.frame.composer.text = text;
    this.#memory.keep({draft: text || null});
  }

  #edit(text) {
    this.#memory.keep({draft: text || null});
    if (!(this.#refusal?.until > Date.now())) this.#refusal = null;
    this.#render();
  }

  #act(name) {
    const {socket} = this.#session;
    if (name === 'now' || name === 'tryNow') socket.retryNow();
    else if (name === 'reload' || name === 'goOn') location.reload();
    else if (name === 'signIn') location = new URL(`signin?next=${location.pathname}`, this.#options.base);
    else if (name === 'stop') this.stop();
    else if (name === 'newChat') this.#begin();
    else if (name === 'tryAgain') this.#tryAgain();
  }

  #begin() {
    this.#session.forget();
    this.#usage = this.#refusal = null;
    this.#transcript.reset([]);
    this.#showOpening();
    this.#render();
    this.frame.composer.focus();
  }

  #tryAgain() {
    if (!isRefunded(this.#session.chat)) {
      this.#submit(this.frame.composer.text);
      return;
    }
    const question = this.#transcript.lastQuestion;
    this.#begin();
    this.ask(question);
  }

  async #showEarlier(messageId) {
    const messages = await readEarlier(this.#options.base, this.#session.chat.id, messageId);
    if (messages) this.#transcript.prepend(messages);
  }

  #propose(text) {
    this.#waitingSince = Date.now();
    this.#opening?.remove();
    this.#transcript.propose(text);
  }

  #showOpening() {
    this.#opening?.remove();
    if (!this.#transcript.isEmpty) return;
    const {greeting, starters} = this.#options;
    const isComing = this.#session.chat && !this.#wasOpened;
    const begin = text => this.ask(text) && this.frame.log.focus();
    this.#opening = isComing ? skeleton() : welcome(strings, greeting ?? strings.greeting(this.#title), starters, begin);
    this.frame.log.append(this.#opening);
  }

  #listener() {
    return {
      phaseChanged: socket => this.#phaseChanged(socket),
      ready: () => this.#ready(),
      channelChanged: event => this.#channelChanged(event),
      creditChanged: ({balance}) => {
        this.#facts.tell({balance});
        this.#tell('chat-credit', {balance});
      },
      opened: (event, isFresh) => this.#opened(event, isFresh),
      happened: event => this.#happened(event),
      identified: () => this.#tell('chat-identity'),
      usageChanged: usage => {
        this.#usage = usage;
        this.#render();
      },
      accepted: (id, isFirst) => {
        this.#transcript.accept(id);
        if (isFirst) this.#tell('chat-started');
        if (!this.isBusy) this.#rest();
        this.#render();
      },
      stopFailed: ({code}) => {
        this.#refusal = {code: NOT_STOPPED};
        this.#tell('chat-error', {code});
        this.#render();
      },
      refused: (error, message) => this.#refused(error, message),
      gone: () => this.#gone(),
    };
  }

  #factsChanged() {
    this.frame.name(this.#title);
    this.#render();
  }

  #phaseChanged(socket) {
    if (socket.phase === 'refused') this.#tell('chat-error', {code: socket.closeCode});
    this.#render();
  }

  #ready() {
    if (!this.#hasLoaded) this.#tell('chat-ready');
    this.#hasLoaded = true;
    this.#facts.read();
  }

  #channelChanged({status, activationFunding, activationGoal, creditBalance}) {
    this.#facts.tell({status, balance: creditBalance});
    this.#tell('chat-channel', {status: this.#facts.status, activationFunding, activationGoal, creditBalance});
  }

  #opened(event, isFresh) {
    const wasAnswering = this.#waitingSince !== null || this.#usedBefore !== null;
    const isResumed = this.#wasOpened && event.mode !== 'new';
    this.#wasOpened = true;
    if (isFresh) this.#usage = event.usage; // a replay begins before its head, and its events tell the usage
    if (isFresh) this.#restart(event);
    if (!this.isBusy) this.#rest();
    const isFinished = isFresh && wasAnswering && !this.isBusy;
    if (isResumed) this.#back = {until: Date.now() + BACK_SHOWN_MS, text: isFinished ? 'finishedMeanwhile' : 'back'};
    this.#facts.tell({balance: event.credit.balance});
  }

  #restart(event) {
    this.#transcript.reset(event.msgs ?? []);
    this.#showOpening();
    if (this.#session.running) this.#announcer.begin(this.#title);
    else this.#announcer.cancel();
  }

  #happened(event) {
    if (event.usage) this.#usage = event.usage;
    this.#transcript.apply(event);
    if (event.t === 'd') this.#began();
    else if (event.t === 'user') this.#asked(event);
    else if (event.t === 'start') this.#announcer.begin(this.#title);
    else if (event.t === 'done') this.#finished(event);
    else if (event.t === 'limit') this.#tell('chat-limit');
    if (event.t !== 'd') this.#render();
  }

  #asked({tok}) {
    this.#opening?.remove();
    this.#waitingSince ??= Date.now();
    this.#usedBefore = this.#usage && this.#usage.used + tok;
  }

  #began() {
    if (this.#waitingSince === null) return;
    this.#waitingSince = null;
    this.#render();
  }

  // No answer is awaited any more.
  #rest() {
    this.#waitingSince = this.#usedBefore = null;
    if (this.#refusal?.code === NOT_STOPPED) this.#refusal = null;
  }

  #finished(event) {
    const tokens = this.#usedBefore === null ? 0 : event.usage.used - this.#usedBefore;
    this.#announcer.end(event.why, this.#transcript.finish(event, tokens));
    this.#rest();
    this.#finishedAnswer();
    if (event.why === 'error') this.#facts.read();
  }

  #refused(error, {text}) {
    this.#refusal = {...error, hadCredits: this.#hadCredits, until: Date.now() + (error.after ?? 0) * 1000};
    this.#waitingSince = null;
    this.#transcript.drop();
    const draft = this.frame.composer.text;
    this.#write(draft ? `${text}\n\n${draft}` : text);
    this.#showOpening();
    this.#tell('chat-error', {code: error.code});
    this.#facts.tell(error.code === 'no_credit' ? {balance: 0} : {});
  }

  #gone() {
    this.#rest();
    if (this.isBusy) this.#waitingSince = Date.now(); // a message begins another chat
    this.#usage = null;
    this.#wasOpened = true;
    this.#announcer.cancel();
    this.#transcript.reset([]);
    this.#showOpening();
    this.#render();
  }

  #notice(text) {
    const {chat, socket} = this.#session;
    const limit = socket.limits.text ?? CHARACTERS_DEFAULT;
    return noticeFor({
      socket, chat, channel: this.#facts, model: this.#facts.model, creditsCame: this.#facts.hasNewCredits,
      isOwnSite: this.#isOwnSite, host: this.#options.base.host,
      now: Date.now(), since: this.#since, usage: this.#usage, refusal: this.#refusal,
      waitingSince: this.#waitingSince, backUntil: this.#back.until, backText: this.#back.text,
      limit, length: text.length > limit ? [...text].length : text.length, // the limit is in code points
    }, strings.notice);
  }

  #canSend(notice) {
    return !this.isBusy && this.#session.socket.phase !== 'refused' && !notice?.isBlocking && !notice?.isEnd;
  }

  #render() {
    clearTimeout(this.#tick);
    const {composer, state, demo, meter} = this.frame;
    const {chat, socket} = this.#session;
    const notice = this.#notice(composer.text);
    this.frame.show(notice);
    if (notice?.isTicking) this.#tick = setTimeout(() => this.#render(), TICK_MS);
    composer.element.hidden = notice?.isEnd === true;
    const isStart = !chat || chat.credit === 'none';
    const canSend = this.#canSend(notice);
    const canStop = this.isBusy && socket.phase !== 'refused';
    composer.show({label: isStart ? strings.startChat : strings.send, canSend, canStop});
    this.frame.log.classList.toggle('paused', !canSend);
    setText(state, strings.state[socket.phase === 'ready' ? this.#facts.status : socket.phase] ?? '');
    demo.hidden = !this.#facts.model?.demo;
    meter.show(this.#usage, ['charged', 'spent'].includes(chat?.credit));
  }
}
