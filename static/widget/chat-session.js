// One chat over a connection that may break at any byte: no gap, no duplicate, no message sent twice.
import {ChatSocket} from './chat-socket.js';

const MAX_FAILED_RESUMES = 3;
const RETRY_MS = 2_000;
const ENDED = 4004;

const newIdem = () => Array.from(crypto.getRandomValues(new Uint8Array(16)), byte => byte.toString(16).padStart(2, '0')).join('');
const codePoints = text => [...text].length;

/**
 * Follows one channel, and one chat on it once there is one. `view` is told what happens: see ChatView's listener.
 * `happened` gets what is in sequence; with `opened`, `isFresh` says that the text starts anew from `event.msgs`; after
 * `gone`, a message that was not acknowledged begins another chat.
 */
export class ChatSession {
  /** The open chat: {id, k, epoch, last, state, credit}; null before the first message. */
  chat = null;
  /** The answer that is running: {id, length}, length in code points; null between answers. */
  running = null;

  #channel;
  #memory;
  #view;
  #socket;
  #failedResumes = 0;
  #isResyncing = false;
  #isOpening = false;
  #isSending = false;
  #wantsStop = false;
  #isStopping = false;
  #told = new Set(); // messages that were seen, or whose answers were
  #repeatable = null;
  #visit = 0;
  #who = null;
  #timers = new Set();

  constructor({base, channel, memory, view, Socket}) {
    this.#channel = channel;
    this.#memory = memory;
    this.#view = view;
    this.#socket = new ChatSocket(base, this, Socket);
    if (memory.chat) this.chat = this.#unread(memory.chat);
  }

  get socket() {
    return this.#socket;
  }

  /** Whether a message is on its way or an answer is awaited or running: nothing else can be sent. */
  get isBusy() {
    return this.#memory.pending !== null || this.chat?.state === 'answering';
  }

  start() {
    this.#socket.start();
  }

  close() {
    this.#forgetTimers();
    this.#socket.stop();
  }

  /** Send a message; the first one opens the chat. The same text after a passing refusal is the same message. */
  send(text) {
    const message = this.#repeatable?.text === text ? this.#repeatable : {idem: newIdem(), text};
    this.#repeatable = null;
    this.#wantsStop = false;
    this.#memory.keep({pending: message});
    this.#advance();
    return message;
  }

  /** End the running answer; before it has begun, as soon as it does. */
  stop() {
    this.#wantsStop = true;
    this.#stopIfAsked();
  }

  /** Leave this chat; the next message opens another one. */
  forget() {
    this.#leave();
    this.#wantsStop = false;
    this.#memory.keep({pending: null});
  }

  #leave() {
    if (this.chat?.k) this.#socket.request({t: 'unsub', k: this.chat.k});
    this.chat = this.running = this.#repeatable = null;
    this.#isResyncing = this.#isOpening = this.#isSending = this.#isStopping = false;
    this.#visit++;
    this.#memory.keep({chat: null, openIdem: null});
  }

  phaseChanged(socket) {
    if (socket.phase !== 'ready') {
      if (this.#isResyncing) this.#failedResumes++;
      this.#isResyncing = this.#isOpening = this.#isSending = this.#isStopping = false;
      if (this.chat) this.chat.k = null;
      this.#forgetTimers();
    }
    this.#view.phaseChanged(socket);
    const {pending} = this.#memory;
    if (socket.closeCode === ENDED && pending) this.#refuse({code: ENDED}, pending);
  }

  ready({who}) {
    if (this.#who?.kind === 'user' && (who.kind !== 'user' || who.name !== this.#who.name)) return this.#socket.lose(ENDED);
    this.#who = who;
    this.#view.ready();
    this.#watch();
    if (this.chat) this.#subscribe();
    else this.#advance();
  }

  received(event) {
    if (event.t === 'credit') this.#view.creditChanged(event);
    else if (event.t === 'channel') this.#view.channelChanged(event);
    else if (event.t === 'who') this.#view.identified(this.#who = event);
    else if (!this.chat?.k || event.k !== this.chat.k) return;
    else if (event.t === 'opened') this.#adopt(event);
    else if (event.t === 'usage') this.#view.usageChanged(event.usage);
    else if (event.s !== undefined) this.#follow(event);
  }

  #later(action, error) {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      action();
    }, error.after ? error.after * 1000 : RETRY_MS);
    this.#timers.add(timer);
  }

  #forgetTimers() {
    this.#timers.forEach(clearTimeout);
    this.#timers.clear();
  }

  // Ask something about the chat that is open now. Once the reader has left it, nobody hears the answer.
  #ask(command, onReply) {
    const visit = this.#visit;
    return this.#socket.request(command, reply => {
      if (visit === this.#visit) onReply(reply);
      else if (reply.t === 'opened') this.#socket.request({t: 'unsub', k: reply.k});
    });
  }

  #watch() {
    this.#socket.request({t: 'watch', channel: this.#channel}, reply => {
      if (reply.t === 'ok' && !this.chat) this.#socket.settled();
      else if (reply.t === 'err' && reply.retry) this.#later(() => this.#watch(), reply);
    });
  }

  #subscribe() {
    const {chat} = this;
    const {id, epoch, last} = chat;
    const hasCursor = epoch !== null && this.#failedResumes < MAX_FAILED_RESUMES;
    this.#isResyncing = true;
    this.#ask({t: 'sub', chat: id, ...(hasCursor && {epoch, seq: last})}, reply => {
      if (reply.t === 'opened') this.#adopt(reply);
      else if (reply.retry) this.#later(() => chat === this.chat && this.#subscribe(), reply);
      else this.#lost();
    });
  }

  #lost() {
    this.#leave();
    this.#socket.settled();
    this.#view.gone();
    this.#advance();
  }

  // Bring what waits one step further: open a chat for it, or send it.
  #advance() {
    const message = this.#memory.pending;
    if (!message) return;
    if (!this.chat) this.#open(message);
    else if (this.chat.k && !this.#isResyncing && !this.#isSending) this.#transmit(message);
  }

  #open(message) {
    if (this.#isOpening) return;
    if (!this.#memory.openIdem) this.#memory.keep({openIdem: newIdem()});
    this.#isOpening = this.#ask({t: 'open', idem: this.#memory.openIdem, channel: this.#channel}, reply => {
      this.#isOpening = false;
      if (reply.t === 'opened') this.#adopt(reply);
      else this.#refuse(reply, message);
    });
  }

  #transmit(message) {
    this.#isSending = this.#ask({t: 'send', k: this.chat.k, ...message}, reply => {
      this.#isSending = false;
      if (reply.t === 'err') this.#refuse(reply, message);
      else this.#accept(reply, message);
    });
  }

  #accept(reply, message) {
    // What was accepted before, or told by a snapshot, may have been answered already.
    if (!reply.dup && !this.#told.has(reply.msg)) this.chat.state = 'answering';
    const isFirst = this.chat.credit === 'none';
    if (isFirst) this.chat.credit = 'charged';
    this.#memory.keep({pending: null});
    this.#stopIfAsked();
    this.#view.accepted(reply.msg, isFirst);
  }

  #refuse(error, message) {
    if (error.retry) this.#repeatable = message;
    const state = {closed: 'closed', limit_reached: 'full'}[error.code];
    if (state && this.chat) this.chat.state = state;
    this.#wantsStop = false;
    this.#memory.keep({pending: null});
    this.#view.refused(error, message);
  }

  // A stop may be lost with the connection or be refused a while: the wish lasts until the server has it.
  #stopIfAsked() {
    if (!this.isBusy) this.#wantsStop = false;
    if (!this.#wantsStop || this.#isStopping || !this.running || !this.chat.k) return;
    const {id} = this.running;
    this.#isStopping = this.#ask({t: 'stop', k: this.chat.k, msg: id}, reply => {
      this.#isStopping = false;
      if (this.running?.id === id) this.#heardOfStop(reply);
      else this.#stopIfAsked(); // the reader may want the next one stopped, too
    });
  }

  #heardOfStop(reply) {
    if (reply.retry) this.#later(() => this.#stopIfAsked(), reply);
    else this.#wantsStop = false;
    if (reply.t === 'err') this.#view.stopFailed(reply);
  }

  #unread(id) {
    return {id, k: null, epoch: null, last: 0, state: 'open', credit: null};
  }

  #adopt(event) {
    const isFresh = event.mode !== 'replay' || this.chat?.epoch !== event.epoch;
    this.chat ??= this.#unread(event.chat);
    Object.assign(this.chat, {id: event.chat, k: event.k, epoch: event.epoch, state: event.state, credit: event.credit.state});
    if (isFresh) this.#rewind(event);
    this.#isResyncing = false;
    this.#failedResumes = 0;
    this.#memory.keep({chat: event.chat});
    this.#socket.settled();
    this.#view.opened(event, isFresh);
    this.#stopIfAsked();
    this.#advance();
  }

  #rewind(event) {
    this.chat.last = event.seq;
    const told = event.msgs ?? [];
    const newest = told.at(-1);
    this.#told = new Set(told.flatMap(({id, parent}) => [id, parent]));
    this.running = newest?.status === 'streaming' ? {id: newest.id, length: codePoints(newest.text)} : null;
  }

  #follow(event) {
    const {chat} = this;
    if (this.#isResyncing || event.s <= chat.last) return;
    if (event.t !== 'snap' && event.s - (event.n ?? 1) !== chat.last) {
      this.#subscribe();
      return;
    }
    chat.last = event.s;
    if (this.#account(event)) {
      this.#view.happened(event);
      return;
    }
    chat.epoch = null;
    this.#subscribe();
  }

  // Keep the chat's state with the event; false when the text that came is not the text that was stored.
  #account(event) {
    const {chat} = this;
    switch (event.t) {
      case 'user':
        chat.state = 'answering';
        this.#told.add(event.id);
        return true;
      case 'start':
        chat.state = 'answering';
        this.running = {id: event.id, length: 0};
        this.#stopIfAsked();
        return true;
      case 'd':
        this.running.length += codePoints(event.x);
        return true;
      case 'snap':
        if (this.running?.id === event.id) this.running.length = codePoints(event.text);
        return true;
      case 'done': return this.#finish(event);
      case 'limit': chat.state = 'full'; return true;
      case 'closed':
        chat.state = 'closed';
        if (event.why === 'refunded') chat.credit = 'refunded';
        return true;
      default: return true;
    }
  }

  #finish(event) {
    const isWhole = this.running?.id !== event.id || this.running.length === event.len;
    this.running = null;
    this.#wantsStop = false;
    if (this.chat.state === 'answering') this.chat.state = 'open';
    return isWhole;
  }
}
