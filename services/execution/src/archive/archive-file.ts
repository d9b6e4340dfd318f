import { createInterface } from 'node:readline';
import { Readable, Transform } from 'node:stream';
import type { TransformCallback } from 'node:stream';
import { createGunzip, createGzip } from 'node:zlib';
import { LIMITS } from '@batuta/contracts';
import type { JsonValue } from '@batuta/contracts';
import { ChainWalk } from '@batuta/event-store';
import type { ChainedEvent } from '@batuta/event-store';

/** Bytes of a file after decompression. Its last execution may be much larger than the others together. */
export const MOST_EXPANDED = 512 * 1024 * 1024;

/**
 * An archive file is gzip of JSON lines: one bundle after the other, each as `GET …/executions/{id}/export` gives it. So
 * `tools/check-bundle.mjs` checks it, and `zcat` reads it.
 */
export class ArchiveWriter {
  readonly #gzip = createGzip();
  readonly #parts: Buffer[] = [];
  readonly #done: Promise<void>;
  /** Before compression. */
  bytes = 0;

  constructor() {
    this.#gzip.on('data', (part: Buffer) => this.#parts.push(part));
    this.#done = new Promise((resolve, reject) => {
      this.#gzip.on('end', resolve).on('error', reject);
    });
    // `end` reports the error.
    this.#done.catch(() => undefined);
  }

  /** Resolves when there is room for more. Compression does not run on the event loop. */
  async add(line: string): Promise<void> {
    this.bytes += Buffer.byteLength(line) + 1;
    if (this.#gzip.write(`${line}\n`)) return;
    await new Promise<void>((resolve) => {
      this.#gzip.once('drain', resolve);
    });
  }

  async end(): Promise<Buffer> {
    this.#gzip.end();
    await this.#done;
    return Buffer.concat(this.#parts);
  }
}

/** The execution of one bundle of an archive file. */
export interface ArchivedExecution {
  readonly executionId: string;
  readonly tenantId: string;
  readonly config: { readonly id: string; readonly version: number; readonly definition: JsonValue };
  readonly events: readonly ChainedEvent[];
  /** In hex. Undefined when no event has one. */
  readonly lastLink: string | undefined;
  /** The lines as they are in the file. */
  readonly lines: readonly string[];
  /** The line of the file at which the bundle begins, from 1. */
  readonly line: number;
  /** What is wrong with the bundle. When it is set, nothing may be deleted or restored because of this bundle. */
  readonly problems: readonly string[];
}

interface BundleLine {
  readonly line: 'bundle';
  readonly execution_id: string;
  readonly tenant_id: string;
  readonly config: ArchivedExecution['config'];
}

interface EventLine extends Omit<ChainedEvent, 'commandId'> {
  readonly line: 'event';
  readonly command_id: string;
}

type Line = BundleLine | EventLine | { readonly line: 'end'; readonly events: number };

class Reading {
  readonly #first: BundleLine;
  readonly #line: number;
  readonly #walk: ChainWalk;
  readonly #events: ChainedEvent[] = [];
  readonly #lines: string[] = [];

  constructor(first: BundleLine, line: number) {
    this.#first = first;
    this.#line = line;
    this.#walk = new ChainWalk(first.execution_id);
  }

  add(text: string, { version, partition, position, at, type, command_id: commandId, data, link }: EventLine): void {
    const event = { version, partition, position, at, type, commandId, data, link };
    this.#lines.push(text);
    this.#events.push(event);
    this.#walk.add(event);
  }

  keep(text: string): void {
    this.#lines.push(text);
  }

  /** `events` is the number that the last line names. Undefined when there is no such line. */
  end(events: number | undefined): ArchivedExecution {
    this.#walk.end(events);
    // The first line is that of the bundle, and event n stands n lines below it.
    const problems = this.#walk.problems.map(
      ({ fromVersion, toVersion, message }) =>
        `${linesOf(this.#line + fromVersion, this.#line + toVersion)}: ${message}`,
    );
    if (events === undefined) {
      problems.push('the last line is missing');
    } else if (events !== this.#events.length) {
      problems.push(`${events} events are counted, ${this.#events.length} are there`);
    }
    return {
      executionId: this.#first.execution_id,
      tenantId: this.#first.tenant_id,
      config: this.#first.config,
      events: this.#events,
      lastLink: this.#walk.newest?.link,
      lines: this.#lines,
      line: this.#line,
      problems,
    };
  }
}

/** No event has a longer line: it would not fit into a message. */
const LONGEST_LINE = 4 * LIMITS.natsMaxPayloadBytes;
const NEW_LINE = 0x0a;

/**
 * Passes the text of an archive file on until it is larger than any that the archive writes. A small file that expands to
 * gigabytes would otherwise use up the memory of the engine.
 */
class Bounded extends Transform {
  #bytes = 0;
  #line = 0;

  override _transform(part: Buffer, _encoding: BufferEncoding, done: TransformCallback): void {
    this.#bytes += part.length;
    for (let from = 0; from < part.length;) {
      const end = part.indexOf(NEW_LINE, from);
      this.#line += (end < 0 ? part.length : end) - from;
      if (this.#line > LONGEST_LINE) return done(new Error(`it has more than ${LONGEST_LINE} bytes`));
      if (end < 0) break;
      this.#line = 0;
      from = end + 1;
    }
    if (this.#bytes > MOST_EXPANDED) return done(new Error(`the file has more than ${MOST_EXPANDED} bytes`));
    done(null, part);
  }
}

function lineOf(text: string, number: number): Line {
  try {
    return JSON.parse(text) as Line;
  } catch (error) {
    throw new Error(`line ${number} is no JSON: ${(error as Error).message}`, { cause: error });
  }
}

const linesOf = (from: number, to: number): string => (from === to ? `line ${from}` : `lines ${from} to ${to}`);

/**
 * The executions of an archive file, one after the other. Throws when the file is not an archive file, or is cut off. The
 * message has the line.
 */
export async function* readArchive(bytes: Buffer): AsyncGenerator<ArchivedExecution> {
  const gunzip = createGunzip();
  const bounded = new Bounded();
  const failed = new Promise<never>((_, reject) => {
    gunzip.on('error', reject);
    bounded.on('error', reject);
  });
  failed.catch(() => undefined);
  const lines = createInterface({ input: Readable.from([bytes]).pipe(gunzip).pipe(bounded), crlfDelay: Infinity });
  const texts = lines[Symbol.asyncIterator]();
  let open: Reading | undefined;
  let number = 0;
  try {
    for (;;) {
      number += 1;
      const next = await Promise.race([texts.next(), failed]).catch((error: unknown) => {
        throw new Error(`line ${number} cannot be read: ${(error as Error).message}`, { cause: error });
      });
      if (next.done === true) break;
      const text = next.value;
      const line = lineOf(text, number);
      if (line.line === 'bundle') {
        if (open !== undefined) yield open.end(undefined);
        open = new Reading(line, number);
        open.keep(text);
      } else if (open === undefined) {
        throw new Error(`line ${number}: a line of kind "${String(line.line)}" stands outside of a bundle`);
      } else if (line.line === 'event') {
        open.add(text, line);
      } else {
        open.keep(text);
        yield open.end(line.events);
        open = undefined;
      }
    }
    if (open !== undefined) yield open.end(undefined);
  } finally {
    lines.close();
    gunzip.destroy();
    bounded.destroy();
  }
}
