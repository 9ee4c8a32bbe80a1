const SLOW_DRAW_MS = 12;
const SLOW_PAUSE_MS = 100;
const MAX_SHARE = 4; // a slow drawing rests so long that it takes at most a fourth of the time

/** Calls `draw` once a frame after `request`, or ten times a second while that takes too long; at once by `flush`. */
export class DrawClock {
  #draw;
  #frame = 0;
  #timer = 0;
  #pauseUntil = 0;
  #isDrawing = false;
  #isAskedAgain = false;

  constructor(draw) {
    this.#draw = draw;
  }

  request() {
    if (this.#isDrawing) this.#isAskedAgain = true;
    if (this.#isDrawing || this.#frame || this.#timer) return;
    const pause = this.#pauseUntil - performance.now();
    if (pause > 0) this.#timer = setTimeout(this.#afterPause, pause);
    else this.#frame = requestAnimationFrame(this.flush);
  }

  flush = () => {
    this.cancel();
    const begun = performance.now();
    this.#isDrawing = true;
    try {
      this.#draw();
    } finally { // one drawing that fails must not be the last one
      this.#isDrawing = false;
      const cost = performance.now() - begun;
      this.#pauseUntil = cost > SLOW_DRAW_MS ? begun + Math.max(SLOW_PAUSE_MS, cost * MAX_SHARE) : 0;
      const isAskedAgain = this.#isAskedAgain;
      this.#isAskedAgain = false;
      if (isAskedAgain) this.request();
    }
  };

  cancel() {
    cancelAnimationFrame(this.#frame);
    clearTimeout(this.#timer);
    this.#frame = this.#timer = 0;
  }

  #afterPause = () => {
    this.#timer = 0;
    this.#frame = requestAnimationFrame(this.flush);
  };
}
