// The page for frames: the chat as on a channel's page, its sockets opened with tickets.
import {EmbedSession} from './embed-session.js';
import {ticketSocket} from './ticket-socket.js';

const chat = document.querySelector('channel-chat');
const session = new EmbedSession(new URL('/', import.meta.url), chat.getAttribute('channel'), {replaced() {}});

chat.Socket = ticketSocket(session, () => {}); // before the element is defined, which connects it
await import('../widget/channel-chat.js');

const looks = new CSSStyleSheet();
looks.replaceSync('.earlier{display:none}'); // they are read with a cookie or a key, and there is none here
chat.shadowRoot.adoptedStyleSheets.push(looks);
