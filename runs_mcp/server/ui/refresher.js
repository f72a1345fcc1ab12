/** Automatic refreshes: pausable, and none while the page is hidden. */

const EVERY_MS = 30_000;

/** Calls `refresh` every half minute while it is on and the page is visible. */
export class Refresher {
  on = false;
  #refresh;
  #last = Date.now();
  #timer = null;

  constructor(refresh) {
    this.#refresh = refresh;
    document.addEventListener("visibilitychange", () => this.#wait());
  }

  /** Turn it on or off. */
  turn(on) {
    this.on = on;
    this.#wait();
  }

  /** Count from now, since something was just read. */
  restart() {
    this.#last = Date.now();
    this.#wait();
  }

  #wait() {
    clearTimeout(this.#timer);
    if (!this.on || document.hidden) return;
    const due = Math.max(this.#last + EVERY_MS - Date.now(), 0);
    this.#timer = setTimeout(() => {
      this.restart();
      this.#refresh();
    }, due);
  }
}
