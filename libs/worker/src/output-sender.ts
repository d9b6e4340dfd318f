import { newId, OUTPUT_KIND, OUTPUT_LIMITS, OUTPUT_START, subjects } from '@batuta/contracts';
import type { AttemptOutput, AttemptOutputReply, OutputPart, Task } from '@batuta/contracts';
import { requestUntilAnswered } from '@batuta/messaging';
import type { NatsConnection } from '@nats-io/nats-core';
import type { Logger } from './logger.js';
import type { OutputOptions } from './output-options.js';
import type { Hidden, HiddenText } from './platform.js';
import { attemptOf } from './task.js';

/** Pieces that come within this time are sent together. */
const GATHER_MS = 10;
/** Messages on the way at once: enough that none waits for the one before it to be stored. */
const ON_THE_WAY = 4;
const ANSWER_MS = 2_000;
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;
/** The kind that is sent if the kind itself holds a secret. The mark for a hidden part is not a valid kind. */
const HIDDEN_KIND = 'hidden';
const LONE_SURROGATE = /[\uD800-\uDBFF]$/;

interface Numbered extends OutputPart {
  readonly number: number;
  readonly bytes: number;
}

/** Text of one kind and id that is not shown yet, because it may be the beginning of a secret, or is half a character. */
interface Held {
  readonly hidden: HiddenText | undefined;
  half: string;
}

/**
 * Sends the partial output of an attempt. The worker that runs the attempt numbers the parts here, and sends each one until the
 * platform has stored it. Only the result waits for this, and not for long.
 */
export class OutputSender {
  readonly #nc: NatsConnection;
  readonly #task: Task;
  readonly #logger: Logger;
  readonly #hiddenNow: () => Pick<Hidden, 'text' | 'stream'> | undefined;
  readonly #run = newId();
  readonly #held = new Map<string, Held & Pick<OutputPart, 'kind' | 'id' | 'name'>>();
  #pending: OutputPart[] = [];
  /** Parts that were sent and are not known to be stored, in their order. */
  #unstored: Numbered[] = [];
  #next = 1;
  #bytes = 0;
  /** The platform has answered that it keeps no more. */
  #cut = false;
  #onTheWay = 0;
  /** A message was lost. Everything is sent again before anything new. */
  #again = false;
  #pause = 0;
  #timer: NodeJS.Timeout | undefined;
  #lastSent = -Infinity;
  #closed = false;
  readonly #abort = new AbortController();
  #drained: (() => void) | undefined;

  constructor(
    nc: NatsConnection,
    task: Task,
    logger: Logger,
    /** The values that must not be shown. Undefined when there is nothing to hide. */
    hiddenNow: () => Pick<Hidden, 'text' | 'stream'> | undefined,
  ) {
    this.#nc = nc;
    this.#task = task;
    this.#logger = logger;
    this.#hiddenNow = hiddenNow;
  }

  /** @throws TypeError for a kind that is not valid. */
  say(text: string, { kind = 'text', id = '', name = '' }: OutputOptions = {}): void {
    if (!OUTPUT_KIND.test(kind) || kind === OUTPUT_START) {
      throw new TypeError(
        `"${kind}" is no kind of output: it takes small letters, digits and "_", and is not "${OUTPUT_START}"`,
      );
    }
    if (this.#closed || text === '') return;
    const key = `${kind} ${id}`;
    // They may come from a model's server too, so secrets are hidden in them as in a text. A secret that was cut in half would not be found.
    const hidden = this.#hiddenNow();
    const shown = (of: string, most: number): string => (hidden?.text(of) ?? of).slice(0, most);
    const said = {
      kind: shown(kind, OUTPUT_LIMITS.kind) === kind ? kind : HIDDEN_KIND,
      ...(id === '' ? {} : { id: shown(id, OUTPUT_LIMITS.id) }),
    };
    const named = { ...said, ...(name === '' ? {} : { name: shown(name, OUTPUT_LIMITS.name) }) };
    let held = this.#held.get(key);
    if (held === undefined) this.#held.set(key, (held = { ...named, hidden: hidden?.stream(), half: '' }));
    let whole = held.half + text;
    held.half = LONE_SURROGATE.exec(whole)?.[0] ?? '';
    if (held.half !== '') whole = whole.slice(0, -1);
    this.#put(held.hidden?.push(whole) ?? whole, named);
    this.#sendSoon();
  }

  /** New secrets must not be shown. Later text is searched for them too. */
  hideMore(): void {
    this.#release();
  }

  /** Resolves when everything is stored, when nobody wants it, or after `withinMs`. After that no more output is accepted. */
  async finish(withinMs: number): Promise<void> {
    if (this.#closed) return;
    this.#release();
    this.#send();
    if (this.#pending.length + this.#unstored.length > 0 && !this.#closed) {
      await new Promise<void>((resolve) => {
        const limit = setTimeout(resolve, withinMs);
        this.#drained = () => {
          clearTimeout(limit);
          resolve();
        };
      });
    }
    const left = this.#pending.length + this.#unstored.length;
    if (left > 0 && !this.#closed) this.#logger.warn({ parts: left }, 'partial output was not stored in time');
    this.close();
  }

  /** Nobody wants the output any more. */
  close(): void {
    this.#closed = true;
    clearTimeout(this.#timer);
    this.#abort.abort();
    this.#pending = [];
    this.#unstored = [];
    this.#drained?.();
  }

  /** Shows the text that was held back, because no more of it comes. */
  #release(): void {
    for (const { hidden, half, ...said } of this.#held.values()) {
      const rest = (hidden?.push(half) ?? half) + (hidden?.end() ?? '');
      this.#put(rest.toWellFormed(), said);
    }
    this.#held.clear();
  }

  /** Adds text to the parts that wait. Parts are not too large, and text beyond the limit of an attempt is left out. */
  #put(text: string, said: Pick<OutputPart, 'kind' | 'id' | 'name'>): void {
    for (let rest = text; rest !== '' && !this.#isFull;) {
      const last = this.#pending.at(-1);
      const goesOn = last !== undefined && last.kind === said.kind && last.id === said.id && last.name === said.name;
      const before = goesOn ? last.text : '';
      // Three bytes a character at most, so that no part is larger than it may be.
      const room = Math.floor(OUTPUT_LIMITS.partBytes / 3) - before.length;
      if (room < 2) {
        this.#pending.push({ ...said, text: '' });
        continue;
      }
      const cut = rest.length <= room ? rest.length : LONE_SURROGATE.test(rest.slice(0, room)) ? room - 1 : room;
      const piece = rest.slice(0, cut);
      rest = rest.slice(cut);
      this.#bytes += Buffer.byteLength(piece);
      if (this.#isFull) break;
      if (goesOn) this.#pending[this.#pending.length - 1] = { ...said, text: before + piece };
      else this.#pending.push({ ...said, text: piece });
    }
    if (!this.#isFull || this.#cut) return;
    this.#cut = true;
    this.#pending.push({ kind: 'cut', text: '' });
  }

  get #isFull(): boolean {
    const parts = this.#next + this.#pending.length;
    return this.#bytes > OUTPUT_LIMITS.attemptBytes || parts >= OUTPUT_LIMITS.attemptParts - 2;
  }

  #sendSoon(): void {
    if (this.#pending.length === 0 || this.#timer !== undefined || this.#closed) return;
    if (this.#onTheWay >= ON_THE_WAY || this.#again) return;
    const left = this.#lastSent + GATHER_MS - performance.now();
    this.#timer = setTimeout(() => this.#send(), Math.max(0, left));
  }

  #send(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#closed) return;
    if (this.#again) {
      if (this.#onTheWay === 0) this.#sendAgain();
      return;
    }
    while (this.#pending.length > 0 && this.#onTheWay < ON_THE_WAY) {
      const parts: Numbered[] = [];
      let bytes = 0;
      for (const part of this.#pending) {
        const more = Buffer.byteLength(part.text);
        if (
          parts.length >= OUTPUT_LIMITS.messageParts ||
          (parts.length > 0 && bytes + more > OUTPUT_LIMITS.messageBytes)
        ) {
          break;
        }
        bytes += more;
        parts.push({ ...part, bytes: more, number: this.#next + parts.length });
      }
      this.#pending.splice(0, parts.length);
      this.#next += parts.length;
      this.#unstored.push(...parts);
      void this.#request(parts);
    }
  }

  /** Sends the oldest part that is not stored, alone. The parts after it are sent when it is stored. */
  #sendAgain(): void {
    const parts: Numbered[] = [];
    let bytes = 0;
    for (const part of this.#unstored) {
      if (
        parts.length >= OUTPUT_LIMITS.messageParts ||
        (parts.length > 0 && bytes + part.bytes > OUTPUT_LIMITS.messageBytes)
      ) {
        break;
      }
      bytes += part.bytes;
      parts.push(part);
    }
    if (parts.length > 0) void this.#request(parts);
    else this.#recovered();
  }

  async #request(parts: readonly Numbered[]): Promise<void> {
    const [first] = parts;
    if (first === undefined) return;
    this.#onTheWay += 1;
    this.#lastSent = performance.now();
    const message: AttemptOutput = {
      ...attemptOf(this.#task),
      run: this.#run,
      from: first.number,
      parts: parts.map(({ number: _number, bytes: _bytes, ...part }) => part),
    };
    let reply: AttemptOutputReply | undefined;
    try {
      const subject = subjects.output(this.#task.partition);
      const answer = await requestUntilAnswered(this.#nc, subject, JSON.stringify(message), {
        attempts: 1,
        timeoutMs: ANSWER_MS,
        signal: this.#abort.signal,
      });
      reply = answer.json<AttemptOutputReply>();
    } catch {
      // There was no answer, so it is sent again.
    }
    this.#onTheWay -= 1;
    if (this.#closed) return;
    if (reply !== undefined) this.#answered(reply, (parts.at(-1) ?? first).number);
    else this.#lost();
    this.#goOn();
  }

  #answered({ wanted, next = 1, full = false, reason = '' }: AttemptOutputReply, last: number): void {
    if (!wanted || full) {
      if (!wanted && reason.startsWith('malformed')) this.#logger.error({ reason }, 'partial output was refused');
      this.close();
      return;
    }
    const [oldest] = this.#unstored;
    if (oldest !== undefined && next < oldest.number) {
      // The platform has lost parts that it had stored, so later parts cannot follow them.
      this.#logger.warn({ next, oldest: oldest.number }, 'partial output cannot go on');
      this.close();
      return;
    }
    this.#unstored = this.#unstored.filter(({ number }) => number >= next);
    if (next <= last) this.#lost();
    else this.#pause = 0;
  }

  #lost(): void {
    this.#again = true;
    this.#pause = Math.min(LONGEST_PAUSE_MS, Math.max(FIRST_PAUSE_MS, this.#pause * 2));
  }

  #recovered(): void {
    this.#again = false;
    this.#pause = 0;
    this.#send();
  }

  #goOn(): void {
    if (this.#closed) return;
    if (this.#again) {
      if (this.#onTheWay > 0) return;
      if (this.#unstored.length === 0) this.#recovered();
      else this.#timer ??= setTimeout(() => this.#send(), this.#pause);
      return;
    }
    if (this.#pending.length === 0 && this.#unstored.length === 0) this.#drained?.();
    else this.#sendSoon();
  }
}
