// <channel-chat channel="…">: a channel's chat.
// Attributes: channel (required), heading (until the title is known), greeting, starters (one a line), mode (inline or
// bubble), placement (end or start), open, color-scheme (light or dark; by default the page's), base (the server; by
// default where this file came from). Looks: the custom properties in styles.js, and `part`s.
// Set before it is connected, `Socket` opens its connections in the place of WebSocket.
// Events: chat-ready, chat-open, chat-close, chat-started, chat-limit, chat-error {code}; chat-channel {status,
// activationFunding, activationGoal, creditBalance}, chat-credit {balance}, chat-identity. None carries a message's text.
import {ChatView} from './chat-view.js';
import {button} from './dom.js';
import strings from './strings.en.js';
import {sheet} from './styles.js';

const MIN_KEYBOARD_PX = 100; // less is a bar of the browser

export class ChannelChat extends HTMLElement {
  static observedAttributes = ['open'];

  #view = null;
  #launcher = null;

  connectedCallback() {
    if (!this.shadowRoot) this.attachShadow({mode: 'open', delegatesFocus: true}).adoptedStyleSheets = [sheet];
    this.#view = new ChatView(this.#options(), (type, detail) => this.#tell(type, detail), () => this.#finished());
    this.#view.frame.element.addEventListener('keydown', event => this.#key(event));
    this.#launcher = this.#isBubble ? this.#makeLauncher() : null;
    this.shadowRoot.replaceChildren(this.#view.frame.element, ...(this.#launcher ? [this.#launcher] : []));
    this.#show();
    visualViewport.addEventListener('resize', this.#fit);
    visualViewport.addEventListener('scroll', this.#fit);
  }

  disconnectedCallback() {
    visualViewport.removeEventListener('resize', this.#fit);
    visualViewport.removeEventListener('scroll', this.#fit);
    this.#view.end();
    this.#view = null;
  }

  attributeChangedCallback() {
    if (!this.#view || !this.#isBubble) return;
    this.#show();
    this.#tell(this.#isOpen ? 'chat-open' : 'chat-close');
  }

  open() {
    this.toggleAttribute('open', true);
  }

  close() {
    this.toggleAttribute('open', false);
  }

  /** Send `text`, opening a chat if there is none; false when that is not possible now. */
  ask(text) {
    return this.#view.ask(text);
  }

  stop() {
    this.#view.stop();
  }

  focusComposer() {
    this.#view.frame.composer.focus();
  }

  get #isBubble() {
    return this.getAttribute('mode') === 'bubble';
  }

  get #isOpen() {
    return !this.#isBubble || this.hasAttribute('open');
  }

  #options() {
    return {
      base: new URL(this.getAttribute('base') ?? '/', import.meta.url),
      Socket: this.Socket,
      channel: this.getAttribute('channel'),
      heading: this.getAttribute('heading'),
      greeting: this.getAttribute('greeting'),
      starters: (this.getAttribute('starters') ?? '').split('\n').map(line => line.trim()).filter(Boolean),
    };
  }

  #makeLauncher() {
    const label = strings.chatWith(this.getAttribute('heading') ?? this.getAttribute('channel'));
    return button('', {className: 'launcher', part: 'launcher', 'aria-label': label, onclick: () => this.toggleAttribute('open')});
  }

  // A closed bubble costs no connection.
  #show() {
    this.#view.frame.element.hidden = !this.#isOpen;
    if (this.#launcher) this.#launcher.ariaExpanded = String(this.#isOpen);
    if (!this.#isOpen) return;
    this.#launcher?.classList.remove('news');
    this.#view.start();
  }

  #finished() {
    if (!this.#isOpen) this.#launcher.classList.add('news');
  }

  // Where a keyboard lies over the page, as on iOS, the frame takes what is left in sight.
  #fit = ({type}) => {
    const {height, offsetTop, scale} = visualViewport;
    const isCovered = scale < 1.01 && innerHeight - height > MIN_KEYBOARD_PX;
    const frame = this.#view.frame.element;
    const set = (name, px) => frame.style.setProperty(name, px > 0 ? `${px}px` : '');
    set('--visible', isCovered && height);
    set('--lift', 0);
    if (!isCovered) return;
    const {top, bottom} = frame.getBoundingClientRect();
    const below = bottom - offsetTop - height;
    if (this.#isBubble) set('--lift', below);
    else if (type === 'resize' && frame.matches(':focus-within')) scrollBy(0, Math.max(below, Math.min(0, top - offsetTop)));
  };

  // Escape ends a running answer; when there is none it closes the bubble.
  #key(event) {
    if (event.key !== 'Escape' || event.isComposing) return;
    if (this.#view.isBusy) {
      this.stop();
    } else if (this.#launcher) {
      this.close();
      this.#launcher.focus();
    }
  }

  #tell(type, detail = {}) {
    this.dispatchEvent(new CustomEvent(type, {bubbles: true, composed: true, detail}));
  }
}

if (!customElements.get('channel-chat')) customElements.define('channel-chat', ChannelChat);
