// The page for frames: the chat as on a channel's page, its sockets opened with tickets; and signing in.
import {EmbedSession} from './embed-session.js';
import {SignIn} from './sign-in.js';
import {ticketSocket} from './ticket-socket.js';

const ENDED = 4004; // close code: the session has ended, and the chat waits for a word of the reader

const base = new URL('/', import.meta.url);
const chat = document.querySelector('channel-chat');
const channel = chat.getAttribute('channel');
const part = id => document.getElementById(id);
let isEnded = false;

function say(text, hasLink = false) {
  const {link, href} = part('note').dataset;
  const anchor = Object.assign(document.createElement('a'), {href, target: '_blank', rel: 'noopener', textContent: link});
  part('note').replaceChildren(text, ...(hasLink ? [' ', anchor] : []));
}

const session = new EmbedSession(base, channel, {
  replaced: () => say('Your session here has ended. You go on as a visitor.'),
});

const signIn = new SignIn(base, channel, {
  blocked: () => say('The window for signing in could not be opened.', true),
  closed: () => say('Signing in was not finished. Nothing changed.', true),
  async arrived(answer) {
    const isDone = await session.signIn(answer);
    if (isDone && isEnded) location.reload();
    say(isDone ? 'You are signed in. What you asked here is in your account.' : 'Signing in did not work. Try again.', !isDone);
    await signIn.prepare();
  },
});

function show({kind, name}) {
  const isUser = kind === 'user';
  part('who').textContent = isUser ? (name ?? 'Signed in') : '';
  part('sign-in').hidden = isUser;
}

// At the top of a window there is nobody to come back to: there people sign in on the channel's page.
const canSignIn = part('session') && top !== self;
if (canSignIn) {
  await signIn.prepare();
  part('sign-in').onclick = () => {
    say('');
    signIn.open();
  };
}

chat.addEventListener('chat-error', ({detail}) => {
  isEnded ||= detail.code === ENDED;
  if (isEnded && canSignIn) show({kind: 'session'});
});

chat.Socket = ticketSocket(session, event => canSignIn && show(event.who ?? event)); // the element connects once it is defined
await import('../widget/channel-chat.js');

const looks = new CSSStyleSheet();
looks.replaceSync('.earlier{display:none}'); // they are read with a cookie or a key, and there is none here
chat.shadowRoot.adoptedStyleSheets.push(looks);
