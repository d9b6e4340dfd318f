import { merkleRoot, statementOf } from '@batuta/event-store';
import type { Checkpoint, SealKeys } from '@batuta/event-store';
import type { Pool } from 'pg';
import type { Clock, EngineLog } from '../partitions/ports/ports.js';
import { checkpointOf, digestOf } from './checkpoints.js';
import type { SignedCheckpoint } from './checkpoints.js';
import { LINKS_AFTER, NEWEST_CHECKPOINT, WRITE_CHECKPOINT } from './sql.js';

interface SealerParts {
  readonly clock: Clock;
  readonly log: EngineLog;
  readonly pool: Pool;
  readonly keys: SealKeys;
  /** Partitions that this process owns now. */
  readonly partitions: () => readonly { readonly id: number }[];
  readonly intervalMs: number;
}

/** Links of one checkpoint. A path from a link to the root has at most 13 steps. */
const MOST_LINKS = 8_192;

/** Regularly signs the links of the owned partitions, concurrently with the commit loop. */
export class Sealer {
  readonly #parts: SealerParts;
  readonly #sealed = new Map<number, Checkpoint>();
  #cancel: (() => void) | undefined;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;

  constructor(parts: SealerParts) {
    this.#parts = parts;
  }

  start(): void {
    if (this.#stopped) return;
    this.#cancel = this.#parts.clock.after(this.#parts.intervalMs, () => {
      this.#running = this.#round().then(() => this.start());
    });
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel?.();
    await this.#running;
  }

  /** Never rejects. */
  async #round(): Promise<void> {
    for (const { id } of this.#parts.partitions()) {
      if (this.#stopped) return;
      try {
        while (await this.#seal(id)) if (this.#stopped) return;
      } catch (error) {
        this.#parts.log.warn(
          { err: error, partition: id },
          'a checkpoint cannot be written; the next round tries again',
        );
      }
    }
  }

  /** Writes one checkpoint when there are new links. Returns whether there may be more. */
  async #seal(partition: number): Promise<boolean> {
    const { pool, keys, clock } = this.#parts;
    const before = this.#sealed.get(partition) ?? (await this.#newest(partition));
    const afterPosition = before?.position ?? 0;
    const { rows } = await pool.query<{ last: string; links: string | null }>(LINKS_AFTER, [
      partition,
      afterPosition,
      MOST_LINKS,
    ]);
    const lines = rows[0]?.links?.split('\n') ?? [];
    const links = lines.map((line) => {
      const blank = line.indexOf(' ');
      return { position: Number(line.slice(0, blank)), link: line.slice(blank + 1) };
    });
    const newest = links.at(-1);
    if (newest === undefined) return false;
    const full = links.length === MOST_LINKS;
    const checkpoint: Checkpoint = {
      partition,
      afterPosition,
      position: full ? newest.position : Number(rows[0]?.last ?? newest.position),
      at: clock.now(),
      links: links.length,
      root: merkleRoot(links),
      previous: before === undefined ? '' : digestOf(before),
    };
    const { keyId, signature } = keys.sign(statementOf(checkpoint));
    const { position, at, root, previous } = checkpoint;
    const written = await pool.query(WRITE_CHECKPOINT, [
      partition,
      afterPosition,
      position,
      at,
      links.length,
      root,
      previous,
      keyId,
      signature,
    ]);
    if (written.rowCount === 1) this.#sealed.set(partition, checkpoint);
    // Another process owned the partition meanwhile, and signed its checkpoint.
    else this.#sealed.delete(partition);
    return full;
  }

  async #newest(partition: number): Promise<Checkpoint | undefined> {
    const { rows } = await this.#parts.pool.query<SignedCheckpoint>(NEWEST_CHECKPOINT, [partition]);
    return rows.map(checkpointOf)[0];
  }
}
