/**
 * Decides which attempts may run at the same time in this process. An attempt that was lost together with several
 * runners runs alone. If it ends this runner too, no other attempt is lost with it, and the cause is known. Attempts
 * that come later wait, in the order of their arrival.
 */
export class Company {
  readonly #changed: (closed: boolean) => void;
  #inside = 0;
  #alone = false;
  #waiting: { readonly alone: boolean; readonly enter: () => void }[] = [];

  /** @param changed is called whenever it opens or closes. */
  constructor(changed: (closed: boolean) => void = () => undefined) {
    this.#changed = changed;
  }

  /** Whether an attempt runs alone, or waits for the others to finish so that it can. */
  get closed(): boolean {
    return this.#alone || this.#waiting.length > 0;
  }

  /** Lets an attempt in at once. Returns false when the attempt must wait. */
  tryEnter(alone: boolean): boolean {
    if (this.closed || (alone && this.#inside > 0)) return false;
    this.#enter(alone);
    return true;
  }

  /** Resolves when the attempt is in. Rejects when the signal fires first. */
  enter(alone: boolean, signal: AbortSignal): Promise<void> {
    if (this.tryEnter(alone)) return Promise.resolve();
    return new Promise((resolve, reject) => {
      const leave = (): void => {
        this.#waiting = this.#waiting.filter((other) => other !== one);
        this.#admit();
        reject(signal.reason as Error);
      };
      const enter = (): void => {
        signal.removeEventListener('abort', leave);
        resolve();
      };
      const one = { alone, enter };
      if (signal.aborted) return leave();
      signal.addEventListener('abort', leave, { once: true });
      this.#waiting.push(one);
      this.#changed(true);
    });
  }

  leave(): void {
    this.#inside -= 1;
    if (!this.#alone && this.#waiting.length === 0) return;
    if (this.#inside === 0) this.#alone = false;
    this.#admit();
  }

  #enter(alone: boolean): void {
    this.#inside += 1;
    if (!alone) return;
    this.#alone = true;
    this.#changed(true);
  }

  #admit(): void {
    while (!this.#alone) {
      const [next] = this.#waiting;
      if (next === undefined) break;
      if (next.alone && this.#inside > 0) return;
      this.#waiting.shift();
      this.#enter(next.alone);
      next.enter();
    }
    if (!this.closed) this.#changed(false);
  }
}
