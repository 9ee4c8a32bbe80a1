// Keeps a channel page's figures current: from the chat's own connection where the page has a chat, else from one that
// only watches. A page never has two.
import {ChatSocket} from '../widget/chat-socket.js';

const RETRY_MS = 2_000;
const AIR = {ACTIVE: 'On air', PENDING: 'Off air', INACTIVE: 'Paused by an admin'};

const page = document.querySelector('main[data-channel]');
const live = name => page.querySelector(`[data-live="${name}"]`);
const say = (name, text) => live(name)?.replaceChildren(text);

const DOLLARS = {style: 'currency', currency: 'USD', trailingZeroDisplay: 'stripIfInteger'};
const dollars = cents => (cents / 100).toLocaleString('en-US', DOLLARS);

function showCredits({balance}) {
  say('balance', balance.toLocaleString('en'));
  say('balance-label', `${balance === 1 ? 'chat' : 'chats'} left on this channel`);
}

function fillSegments(funding) {
  const meter = live('segments');
  const goal = Number(meter.dataset.goal);
  const segments = [...meter.children];
  segments.forEach((segment, index) => {
    const quarters = Math.floor(((funding - (goal * index) / segments.length) * segments.length * 4) / goal);
    const fill = `fill-${Math.max(0, Math.min(4, quarters))}`;
    if (!segment.classList.contains(fill)) segment.className = `${fill} new`;
  });
  meter.setAttribute('aria-label', `${dollars(funding)} of ${dollars(goal)} goal reached`);
}

function showChannel({status, activationFunding, activationGoal, creditBalance}) {
  page.dataset.status = status;
  say('air', AIR[status]);
  say('funding', dollars(activationFunding));
  if (activationFunding > 0) say('missing', `${dollars(Math.max(0, activationGoal - activationFunding))} to go.`);
  fillSegments(activationFunding);
  showCredits({balance: creditBalance});
}

function watch() {
  const told = () => dispatchEvent(new Event('chat-identity'));
  const ask = () => socket.request({t: 'watch', channel: page.dataset.channel}, reply => {
    if (reply.t === 'ok') socket.settled();
    else if (reply.retry) setTimeout(ask, reply.after ? reply.after * 1000 : RETRY_MS);
  });
  const received = event => {
    if (event.t === 'who') told();
    else if (event.t === 'channel') showChannel({...event, status: event.status.toUpperCase()});
    else if (event.t === 'credit') showCredits(event);
  };
  const phaseChanged = ({phase, closeCode}) => { // the figures are for anybody
    if (phase !== 'refused' || closeCode !== 4004) return;
    told();
    setTimeout(() => socket.start(), RETRY_MS);
  };
  const socket = new ChatSocket(location.origin, {phaseChanged, ready: ask, received});
  socket.start();
}

if (page.querySelector('channel-chat')) {
  page.addEventListener('chat-channel', ({detail}) => showChannel(detail));
  page.addEventListener('chat-credit', ({detail}) => showCredits(detail));
} else {
  watch();
}
