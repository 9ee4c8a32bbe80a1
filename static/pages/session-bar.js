// Keeps the bar true while the page stays open. Whoever hears that somebody else may be signed in asks the server; tabs
// tell each other by a mark in their storage, which a page that is gone back to can read before it is seen.
const PAUSE_MS = 1_000; // between two questions
const KEY = 'tallylight session';

const bar = document.querySelector('.bar');
const chat = document.querySelector('channel-chat');
const [status, told] = bar.querySelectorAll('.session, .told');
const now = status.dataset; // {person, mark, whose}; no mark: not known yet
const {person} = now; // for whom the page is
let isStale = false;
let timer, request, askedAt = 0;

function soon() {
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(ask, askedAt + PAUSE_MS - performance.now());
}

function ask() {
  askedAt = performance.now();
  request?.abort();
  request = new XMLHttpRequest(); // it may make a document of text; scripts may not
  request.responseType = 'document';
  request.onload = ({target}) => {
    if (target.status === 204) soon(); // a sign-in is under way
    else if (target.status === 200) show(target.response);
  };
  request.open('GET', '/session');
  request.send();
}

function show(answer) {
  const [fresh, said, stale] = answer.querySelectorAll('.session, .unseen, .stale');
  localStorage[KEY] = fresh.dataset.mark;
  if (now.mark === fresh.dataset.mark) return;
  const isLeft = now.whose && now.whose !== fresh.dataset.whose; // the user who was here
  if (chat) chat.inert ||= isLeft && fresh.dataset.whose; // its connection goes on as that user's
  else if (isLeft) sessionStorage.clear();
  Object.assign(now, fresh.dataset);
  status.replaceChildren(...fresh.childNodes);
  isStale = chat?.inert || (bar.matches('[data-own]') && now.person !== person);
  told.replaceChildren(isStale ? stale : said);
}

addEventListener('submit', event => {
  if (status.contains(event.target)) sessionStorage.clear();
  else if (isStale) event.preventDefault(); // the server would refuse it
}, true);
for (const type of ['visibilitychange', 'chat-identity', 'chat-error']) addEventListener(type, soon);
addEventListener('storage', ({key, newValue}) => key === KEY && newValue !== now.mark && soon());
addEventListener('pageshow', ({persisted}) => {
  if (!persisted && performance.getEntriesByType('navigation')[0]?.type !== 'back_forward') return;
  if (localStorage[KEY] === now.mark) return soon();
  document.body.hidden = true;
  location.reload();
});

if (now.mark) localStorage[KEY] = now.mark;
else ask();
