// What the line above the composer says: facts in, a notice out, so that every state can be tested as a row.
const CONNECTING_PATIENCE_MS = 4_000;
const OUTAGE_PATIENCE_MS = 120_000;
const ANSWER_PATIENCE_MS = 10_000;
const REPLY_TOKENS = 1_650; // a question and its answer, roughly

const REFUSED_BY_CODE = {4004: 'ended', 4501: 'notAllowed', 4502: 'banned', 4503: 'outdated', 4505: 'tooManyTabs', 4506: 'gone'};
const REFUSAL_TEXTS = { // others are called as the code
  channel_pending: 'pending', channel_inactive: 'paused', provider_error: 'modelDown', not_stopped: 'notStopped',
};

const alert = (text, ...actions) => ({tone: 'alert', text, actions});
const warning = (text, ...actions) => ({tone: 'warning', text, actions});
const info = (text, ...actions) => ({tone: 'info', text, actions});
const ticking = notice => ({...notice, isTicking: true});
const seconds = milliseconds => Math.max(0, Math.ceil(milliseconds / 1000));

// On its own site the chat is refused only when the session has ended; a reload begins another.
const refusalOf = (code, isOwnSite) => (code === 4501 && isOwnSite ? 'outdated' : (REFUSED_BY_CODE[code] ?? 'outdated'));

function ofConnection({socket, since, host, isOwnSite, now}, say) {
  if (socket.phase === 'refused') {
    const name = refusalOf(socket.closeCode, isOwnSite);
    return alert(say[name], ...(name !== 'ended' ? ['reload'] : isOwnSite ? ['signIn', 'goOn'] : ['goOn']));
  }
  if (socket.phase === 'ready' || since === null) return null;
  if (socket.lostAt === null) {
    return now - since > CONNECTING_PATIENCE_MS ? info(say.stillConnecting) : {isTicking: true, isSilent: true};
  }
  const isWaiting = socket.phase === 'waiting'; // else a try is under way, and none can be asked for
  if (now - socket.lostAt > OUTAGE_PATIENCE_MS) return ticking(alert(say.unreachable(host), ...(isWaiting ? ['tryNow'] : [])));
  const wait = isWaiting ? seconds(socket.retryAt - now) : 0;
  return ticking({...alert(say.lost(wait), ...(isWaiting ? ['now'] : [])), key: 'lost'});
}

export const isRefunded = chat => chat?.state === 'closed' && chat.credit === 'refunded';

/** A chat that takes nothing more; the composer gives way to it. */
function ofEnd({chat, usage, channel}, say) {
  const ends = notice => ({...notice, isEnd: true});
  if (isRefunded(chat)) return ends(alert(say.refunded, 'tryAgain'));
  if (channel.status === 'PENDING') return ends(info(say.pending));
  if (channel.status === 'INACTIVE') return ends(info(say.paused));
  if (chat?.state === 'full') return ends(warning(say.full(usage.used, usage.cap), 'newChat'));
  if (chat?.state === 'closed') return ends(info(say.closed, 'newChat'));
  return null;
}

function ofRefusal({refusal, channel, now}, say) {
  if (!refusal) return null;
  const {code, details = {}, until = 0, hadCredits} = refusal;
  if (code === 'no_credit') return hadCredits ? {...alert(say.lostRace, 'buy'), isBlocking: channel.balance === 0} : null;
  if (code === 'too_long_for_remaining') return {...alert(say.tooLong(details.tokens, details.left)), isBlocking: true};
  if (code === 'too_large') return {...alert(say.tooLarge), isBlocking: true};
  if (code === 'rate_limited' || code === 'quota_exceeded') {
    const text = code === 'rate_limited' ? say.rateLimited : say.quota;
    return until > now ? ticking({...alert(text(seconds(until - now))), key: code, isBlocking: true}) : null;
  }
  return alert(say[REFUSAL_TEXTS[code] ?? code] ?? say.failed, ...(refusal.retry ? ['tryAgain'] : []));
}

function ofText({length, limit}, say) {
  return length > limit ? {...alert(say.tooManyCharacters(length, limit)), key: 'characters', isBlocking: true} : null;
}

function ofCredits({chat, channel, creditsCame}, say) {
  if (chat && chat.credit !== 'none') return null;
  if (channel.balance === 0) return {...warning(say.noCredits, 'buy'), isBlocking: true};
  return creditsCame ? info(say.creditsCame(channel.balance)) : null;
}

function ofAnswer({waitingSince, now, model}, say) {
  if (model?.state === 'warming') return info(say.warming);
  if (waitingSince === null) return null;
  return now - waitingSince > ANSWER_PATIENCE_MS ? info(say.slow, 'stop') : {isTicking: true, isSilent: true};
}

function ofUsage({usage}, say) {
  if (!usage) return null;
  const left = usage.cap - usage.used;
  if (usage.used >= usage.cap * 0.95) return {...warning(say.near95(left), 'newChat'), key: 'near95'};
  if (usage.used < usage.cap * 0.8) return null;
  return {...warning(say.near80(left, Math.max(1, Math.round(left / REPLY_TOKENS)))), key: 'near80'};
}

function ofBeginning({chat, channel, model, now, backUntil, backText}, say) {
  if (backUntil > now) return ticking(info(say[backText]));
  if (model?.state === 'unavailable') return warning(say.modelDown);
  return !chat && channel.balance > 0 ? {...info(say.start(channel.balance)), key: 'start'} : null;
}

/**
 * The most important thing to say: {tone: 'alert'|'warning'|'info', text, actions, key}, null when there is nothing.
 * `isEnd`: the composer gives way; `isBlocking`: sending is off; `isTicking`: ask again in a second; `isSilent`: only
 * that. `key` stays equal while only a countdown changes: that is not announced again.
 */
export function noticeFor(facts, say) {
  let again = false;
  for (const ask of [ofConnection, ofEnd, ofText, ofRefusal, ofCredits, ofAnswer, ofUsage, ofBeginning]) {
    const notice = ask(facts, say);
    again ||= notice?.isTicking === true;
    if (notice && !notice.isSilent) return {key: notice.text, ...notice, isTicking: again};
  }
  return again ? {isSilent: true, isTicking: true, key: '', text: '', actions: []} : null;
}
