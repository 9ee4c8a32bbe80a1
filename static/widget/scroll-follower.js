// Whether the log follows its end. The reader decides: any move upward lets go at once, and only reaching the end or
// asking for it takes hold again. There is no magnet.
const AT_END_PX = 4;
const UPWARD_KEYS = new Set(['ArrowUp', 'PageUp', 'Home']);

/** Follows the end of `log`; `changed` is called when it takes hold or lets go. */
export class ScrollFollower {
  isFollowing = true;

  #log;
  #changed;
  #top = 0;
  #touchY = 0;

  constructor(log, changed) {
    this.#log = log;
    this.#changed = changed;
    const quietly = {passive: true};
    log.addEventListener('wheel', ({deltaY}) => deltaY < 0 && this.#letGo(), quietly);
    log.addEventListener('touchstart', ({touches}) => { this.#touchY = touches[0].clientY; }, quietly);
    log.addEventListener('touchmove', ({touches}) => touches[0].clientY > this.#touchY && this.#letGo(), quietly);
    log.addEventListener('keydown', ({key}) => UPWARD_KEYS.has(key) && this.#letGo());
    log.addEventListener('scroll', () => this.#scrolled(), quietly);
    new ResizeObserver(() => this.keep()).observe(log);
  }

  /** Call after the text grew. */
  keep() {
    if (this.isFollowing && this.#log.querySelector('article')) this.#toEnd();
  }

  /** Go to the end and stay there. */
  follow() {
    this.#toEnd();
    this.#set(true);
  }

  #toEnd() {
    this.#log.scrollTop = this.#log.scrollHeight;
    this.#top = this.#log.scrollTop;
  }

  #letGo() {
    if (this.#log.scrollHeight > this.#log.clientHeight + AT_END_PX) this.#set(false);
  }

  #scrolled() {
    const {scrollTop, scrollHeight, clientHeight} = this.#log;
    // A move of our own is told a frame late, and the first step upward is small: only a move downward takes hold.
    if (scrollHeight - scrollTop - clientHeight < AT_END_PX) this.#set(this.isFollowing || scrollTop > this.#top);
    else if (scrollTop < this.#top - 1) this.#set(false); // dragged by its bar, or moved by a script of the page
    this.#top = scrollTop;
  }

  #set(isFollowing) {
    if (this.isFollowing === isFollowing) return;
    this.isFollowing = isFollowing;
    this.#changed(isFollowing);
  }
}
