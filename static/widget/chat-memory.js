// The place in the stream is not kept: the text it belongs to is gone with the page.
const FIELDS = ['chat', 'openIdem', 'pending', 'draft'];

/** What a tab remembers of its chat, in session storage; where that is refused, only while the page lives. */
export class ChatMemory {
  #key;

  constructor(base, channel) {
    this.#key = `tallylight ${base} ${channel}`;
    let kept = {};
    try {
      kept = JSON.parse(sessionStorage.getItem(this.#key)) ?? {};
    } catch { /* storage is refused or holds something else: begin empty */ }
    for (const field of FIELDS) this[field] = kept[field] ?? null;
  }

  keep(changes) {
    Object.assign(this, changes);
    try {
      sessionStorage.setItem(this.#key, JSON.stringify(this, FIELDS.concat('idem', 'text')));
    } catch { /* refused or full: the memory of this page still has it */ }
  }
}
