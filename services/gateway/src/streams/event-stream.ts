import { Readable } from 'node:stream';
import type { StreamItem } from './stream-items.js';

/** An event stream (HTML Living Standard, 9.2) of parts and ends. It ends when the client reads too slowly. */
export class EventStream {
  readonly #mostBytes: number;
  readonly readable: Readable;
  readonly #beat: NodeJS.Timeout;
  #drained: (() => void)[] = [];
  #ended = false;

  /**
   * @param mostBytes Unread bytes above which it ends. The client comes back with the id of the last event.
   * @param whileOpen Called every `beatMs`. The stream ends when it rejects or resolves to false.
   */
  constructor(mostBytes: number, beatMs: number, whileOpen: () => Promise<boolean>) {
    this.#mostBytes = mostBytes;
    this.readable = new Readable({
      highWaterMark: mostBytes,
      read: () => {
        for (const resolve of this.#drained.splice(0)) resolve();
      },
    });
    this.readable.once('close', () => {
      this.#ended = true;
      clearInterval(this.#beat);
      for (const resolve of this.#drained.splice(0)) resolve();
    });
    this.#beat = setInterval(() => {
      whileOpen().then(
        (goesOn) => (goesOn ? this.#push(':\n\n') : this.end()),
        () => this.end(),
      );
    }, beatMs);
    this.#beat.unref();
    this.#push('retry: 1000\n\n');
  }

  get closed(): boolean {
    return this.#ended;
  }

  send(items: readonly StreamItem[]): void {
    this.#push(
      items.map(({ shown }) => `id: ${shown.place}\nevent: ${shown.type}\ndata: ${JSON.stringify(shown)}\n\n`).join(''),
    );
    if (this.readable.readableLength > this.#mostBytes) this.end();
  }

  /** Resolves when the client has taken what was sent. */
  async drained(): Promise<void> {
    if (this.#ended || this.readable.readableLength === 0) return;
    await new Promise<void>((resolve) => this.#drained.push(resolve));
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    clearInterval(this.#beat);
    this.readable.push(null);
    for (const resolve of this.#drained.splice(0)) resolve();
  }

  #push(text: string): void {
    if (!this.#ended && text !== '') this.readable.push(text);
  }
}
