/**
 * Keeps the event loop polling for a short time instead of letting the process sleep: on an idle machine, waking it takes
 * longer than PostgreSQL needs for a small commit (ADR 0017).
 */
export class BusyPoll {
  readonly #ms: number;
  #until = 0;
  #polling = false;

  /** `ms`: how long each `extend` lasts. */
  constructor(ms: number) {
    this.#ms = ms;
  }

  /** Polls from now on for the given time. Afterwards the process sleeps as usual. */
  extend(): void {
    this.#until = performance.now() + this.#ms;
    if (this.#polling) return;
    this.#polling = true;
    setImmediate(this.#turn);
  }

  readonly #turn = (): void => {
    this.#polling = performance.now() < this.#until;
    if (this.#polling) setImmediate(this.#turn);
  };
}
