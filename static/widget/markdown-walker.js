// Draws markdown that arrives in pieces; whatever the pieces, as if it had come at once. HTML is never parsed: markup is
// shown as text, images become links, links lead to http, https and mailto only.
import {Lexer, Tokenizer} from '../vendor/marked-18.2.1.js';

const SAFE_PROTOCOLS = new Set(['http:', 'https:', 'mailto:']);
const MAX_DEPTH = 24;
const MAX_LANG_LENGTH = 32;
const NO_LINKS = '{}';

// Entities are decoded by table: the browser's own decoder would need to parse HTML.
const ENTITIES = new Map(Object.entries({
  amp: '&', lt: '<', gt: '>', quot: '"', apos: "'", nbsp: '\u00a0', copy: '©', reg: '®', trade: '™', deg: '°',
  mdash: '—', ndash: '–', hellip: '…', lsquo: '‘', rsquo: '’', ldquo: '“', rdquo: '”', laquo: '«', raquo: '»',
  times: '×', divide: '÷', plusmn: '±', minus: '−', frac12: '½', euro: '€', pound: '£', yen: '¥', cent: '¢',
  sect: '§', para: '¶', middot: '·', bull: '•', larr: '←', rarr: '→', uarr: '↑', darr: '↓', harr: '↔',
  infin: '∞', ne: '≠', le: '≤', ge: '≥', asymp: '≈', micro: 'µ', alpha: 'α', beta: 'β', gamma: 'γ', pi: 'π',
}));

function entity(whole, name) {
  if (name[0] !== '#') return ENTITIES.get(name) ?? whole;
  const code = /^#x/i.test(name) ? parseInt(name.slice(2), 16) : parseInt(name.slice(1), 10);
  const isCharacter = code > 0 && code <= 0x10ffff && !(code >= 0xd800 && code <= 0xdfff);
  return isCharacter ? String.fromCodePoint(code) : '\ufffd';
}

const decode = text => text.replace(/&(#\d{1,7}|#x[\da-f]{1,6}|[a-z]+\d*);/gi, entity);

// A tag in one paragraph must not change how the next one is read, or blocks could not be settled one by one.
class StatelessTokenizer extends Tokenizer {
  tag(source) {
    const token = super.tag(source);
    Object.assign(this.lexer.state, {inLink: false, inRawBlock: false});
    return token;
  }
}

function build(tag, ...children) {
  const element = document.createElement(tag);
  element.append(...children);
  return element;
}

function link(element, address) {
  let url;
  try {
    url = new URL(decode(address));
  } catch {
    return element; // relative or broken: it would point into the page that shows the chat
  }
  if (!SAFE_PROTOCOLS.has(url.protocol)) return element;
  element.href = url.href;
  element.target = '_blank';
  element.rel = 'noopener noreferrer nofollow ugc';
  return element;
}

// A box that scrolls sideways can be reached with the keyboard.
function group(element, label) {
  element.tabIndex = 0;
  element.setAttribute('role', 'group');
  element.setAttribute('aria-label', label);
  return element;
}

const isBlank = token => token.type === 'space' || token.type === 'def';

// What cannot change without a new element.
const shapeOf = t => [t.type, t.ordered, t.start, t.loose, t.depth, t.lang, t.align, t.header?.map(c => c.text)].join();

const rowToken = cells => ({type: 'row', cells, raw: cells.map(cell => cell.text).join('\u0000')});

/** Draws one growing markdown text into `root`, which it owns. */
export class MarkdownWalker {
  #root;
  #labels;
  #text = '';
  #settledLength = 0;
  #links = NO_LINKS;
  #isPlain = false;
  #live = [];

  /** `labels`: {copy, table, code(lang), image(alt)}. */
  constructor(root, labels) {
    this.#root = root;
    this.#labels = labels;
  }

  /** All the text so far, with line ends as \n. */
  get text() {
    return this.#text;
  }

  /** Append `piece` and draw. A final \r is kept back until the next piece tells whether it begins a \r\n. */
  write(piece) {
    const held = this.#text.endsWith('\r') ? '\r' : '';
    if (held) this.#text = this.#text.slice(0, -1);
    this.#text += (held + piece).replace(/\r\n|\r(?!$)/g, '\n');
    if (this.#isPlain) this.#root.firstChild.firstChild.data = this.#text;
    else this.#draw();
  }

  #draw() {
    try {
      const tokens = this.#lex();
      const settled = this.#settle(tokens);
      this.#sync(this.#root, this.#live, tokens.filter(token => !isBlank(token)), 0);
      this.#live.splice(0, settled);
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
      this.#isPlain = true; // nested deeper than the stack: shown as it is
      this.#root.replaceChildren(build('p', this.#text));
    }
  }

  // A link definition may change any block, settled or not: a text that has one is read whole.
  #lex() {
    const tail = this.#text.slice(this.#settledLength).replace(/\r$/, '');
    const tokens = new Lexer({gfm: true, tokenizer: new StatelessTokenizer()}).lex(tail);
    const links = JSON.stringify(tokens.links);
    if (links !== NO_LINKS && this.#settledLength > 0) {
      this.#settledLength = 0;
      return this.#lex();
    }
    if (links !== this.#links) {
      this.#links = links;
      this.#live = [];
      this.#root.replaceChildren();
    }
    return tokens;
  }

  // Blocks are settled when a blank line ends them and two more blocks follow: until then "2" may become "2." and a
  // lone "#" a heading. Gives the number of drawn blocks that are settled by this piece.
  #settle(tokens) {
    if (this.#links !== NO_LINKS) return 0;
    let following = 0;
    let last = tokens.length - 1;
    for (; last >= 0; last--) {
      if (isBlank(tokens[last])) continue;
      if (following >= 2 && (tokens[last].raw.endsWith('\n\n') || tokens[last + 1].type === 'space')) break;
      following++;
    }
    const settled = tokens.slice(0, last + 1);
    const raw = settled.map(token => token.raw).join('');
    if (!this.#text.startsWith(raw, this.#settledLength)) return 0; // the lexer rewrote something: stay live
    this.#settledLength += raw.length;
    return settled.filter(token => !isBlank(token)).length;
  }

  // Make `kept` and the last children of `parent` equal to the tokens, touching only what changed, at any depth.
  #sync(parent, kept, tokens, depth) {
    tokens.forEach((token, index) => {
      const old = kept[index];
      const shape = shapeOf(token);
      if (old && old.shape === shape && (old.raw === token.raw || this.#grow(old, token, depth))) {
        old.raw = token.raw;
        return;
      }
      const fresh = {shape, raw: token.raw, kids: []};
      fresh.node = this.#make(token, fresh, depth);
      if (old) old.node.replaceWith(fresh.node);
      else parent.append(fresh.node);
      kept[index] = fresh;
    });
    for (const extra of kept.splice(tokens.length)) extra.node.remove();
  }

  #grow(old, token, depth) {
    if (token.type === 'code') {
      const text = old.leaf.firstChild;
      if (token.text.startsWith(text.data)) text.appendData(token.text.slice(text.data.length));
      else text.data = token.text;
      return true;
    }
    const children = childrenOf(token);
    if (!children || depth >= MAX_DEPTH) return false;
    this.#sync(old.leaf, old.kids, children, depth + 1);
    return true;
  }

  #make(token, entry, depth) {
    if (depth >= MAX_DEPTH && childrenOf(token)) return build('p', token.raw);
    switch (token.type) {
      case 'heading': return heading(token.depth, this.#inline(token.tokens));
      case 'paragraph': return build('p', ...this.#inline(token.tokens));
      case 'text': return build('span', ...(token.tokens ? this.#inline(token.tokens) : [decode(token.text)]));
      case 'code': return this.#code(token, entry);
      case 'table': return this.#table(token, entry, depth);
      case 'row': return build('tr', ...this.#cells(token.cells, 'td'));
      case 'hr': return build('hr');
      case 'checkbox': return checkbox(token.checked);
      case 'list': case 'list_item': case 'blockquote': return this.#container(token, entry, depth);
      default: return build('p', token.raw);
    }
  }

  #container(token, entry, depth) {
    const tag = {list: token.ordered ? 'ol' : 'ul', list_item: 'li', blockquote: 'blockquote'}[token.type];
    entry.leaf = document.createElement(tag);
    if (token.ordered && token.start !== 1) entry.leaf.start = token.start;
    this.#sync(entry.leaf, entry.kids, childrenOf(token), depth + 1);
    return entry.leaf;
  }

  #code(token, entry) {
    const lang = (token.lang ?? '').slice(0, MAX_LANG_LENGTH);
    const copy = build('button', this.#labels.copy);
    copy.type = 'button';
    copy.dataset.copy = 'code';
    entry.leaf = build('code', document.createTextNode(token.text));
    const box = build('div', build('div', build('span', lang), copy), group(build('pre', entry.leaf), this.#labels.code(lang)));
    box.className = 'code';
    return box;
  }

  #table(token, entry, depth) {
    entry.leaf = document.createElement('tbody');
    this.#sync(entry.leaf, entry.kids, childrenOf(token), depth + 1);
    const head = build('thead', build('tr', ...this.#cells(token.header, 'th')));
    const box = group(build('div', build('table', head, entry.leaf)), this.#labels.table);
    box.className = 'scroll';
    return box;
  }

  #cells(cells, tag) {
    return cells.map(cell => {
      const element = build(tag, ...this.#inline(cell.tokens));
      if (cell.align) element.className = `align-${cell.align}`;
      return element;
    });
  }

  #inline(tokens, depth = 0) {
    return tokens.flatMap(token => (depth < MAX_DEPTH ? this.#span(token, depth + 1) : [token.raw]));
  }

  #span(token, depth) {
    switch (token.type) {
      case 'text': return token.tokens ? this.#inline(token.tokens, depth) : [decode(token.text)];
      case 'escape': return [token.text];
      case 'strong': return [build('strong', ...this.#inline(token.tokens, depth))];
      case 'em': return [build('em', ...this.#inline(token.tokens, depth))];
      case 'del': return [build('s', ...this.#inline(token.tokens, depth))];
      case 'codespan': return [build('code', token.text)];
      case 'br': return [build('br')];
      case 'link': return [link(build('a', ...this.#inline(token.tokens, depth)), token.href)];
      case 'image': return [link(build('a', this.#labels.image(token.text || token.href)), token.href)];
      case 'checkbox': return [checkbox(token.checked)];
      default: return [token.raw];
    }
  }
}

function childrenOf(token) {
  const children = {list: token.items, table: token.rows?.map(rowToken)}[token.type];
  if (children) return children;
  return ['list_item', 'blockquote'].includes(token.type) ? token.tokens.filter(child => !isBlank(child)) : null;
}

// h1 and h2 are the page's, and a heading must not skip a level, wherever an answer begins: all are h3.
function heading(depth, children) {
  const element = build('h3', ...children);
  element.className = depth < 3 ? 'major' : 'minor';
  return element;
}

function checkbox(isChecked) {
  const box = document.createElement('input');
  box.type = 'checkbox';
  box.disabled = true;
  box.checked = isChecked;
  return box;
}
