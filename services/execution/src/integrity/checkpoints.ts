import { hash } from 'node:crypto';
import { merkleRoot, statementOf } from '@batuta/event-store';
import type { Checkpoint, SealKeys } from '@batuta/event-store';
import type { Queryable } from '@batuta/service';
import type { Pool } from 'pg';
import { CHECKPOINTS_AFTER, LINKS_BETWEEN } from './sql.js';

/** A checkpoint as it is stored. */
export interface SignedCheckpoint extends Checkpoint {
  readonly keyId: string;
  readonly signature: string;
}

export interface StoredLink {
  readonly position: number;
  readonly link: string;
}

/** Converts a row of pg: bigints are texts in a pool without its own type parsers. */
export function checkpointOf<Row extends SignedCheckpoint>(row: Row): Row {
  return { ...row, afterPosition: Number(row.afterPosition), position: Number(row.position), at: Number(row.at) };
}

/** The digest by which the next checkpoint names this one. */
export function digestOf(checkpoint: Checkpoint): string {
  return hash('sha256', statementOf(checkpoint), 'hex');
}

/** The links that a checkpoint covers, as they are stored now. */
export async function linksOf(
  pool: Queryable,
  { partition, afterPosition, position }: Pick<Checkpoint, 'partition' | 'afterPosition' | 'position'>,
): Promise<StoredLink[]> {
  const { rows } = await pool.query<StoredLink>(LINKS_BETWEEN, [partition, afterPosition, position]);
  return rows.map((row) => ({ position: Number(row.position), link: row.link }));
}

/**
 * The problem with a checkpoint, checked against the links that are stored now. The signature of an unknown key is not
 * checked.
 */
export function checkpointProblem(
  checkpoint: SignedCheckpoint,
  links: readonly StoredLink[],
  keys: SealKeys,
): string | undefined {
  const { partition, afterPosition, position, keyId, signature } = checkpoint;
  const range = `partition ${partition}, positions ${afterPosition + 1} to ${position}`;
  if (keys.holds(checkpoint, keyId, signature) === false) return `the signature of the checkpoint of ${range} is wrong`;
  if (links.length !== checkpoint.links) {
    return `${checkpoint.links} links were signed in ${range}, ${links.length} are there`;
  }
  if (merkleRoot(links) !== checkpoint.root) return `the links in ${range} are not those that were signed`;
  return undefined;
}

const PAGE = 100;

/** Compares every checkpoint of these partitions with the stored links. Resolves to their number. */
export async function verifyCheckpoints(
  pool: Pool,
  partitions: readonly number[],
  keys: SealKeys,
  report: (partition: number, problem: string) => void,
): Promise<number> {
  let count = 0;
  for (const partition of partitions) {
    let position = 0;
    let previous = '';
    for (let page: SignedCheckpoint[] = []; ;) {
      const { rows } = await pool.query<SignedCheckpoint>(CHECKPOINTS_AFTER, [partition, position, PAGE]);
      page = rows.map(checkpointOf);
      for (const checkpoint of page) {
        count += 1;
        if (checkpoint.afterPosition !== position || checkpoint.previous !== previous) {
          report(
            partition,
            `the checkpoint before that of positions ${checkpoint.afterPosition + 1} to ${checkpoint.position} is gone`,
          );
        }
        const problem = checkpointProblem(checkpoint, await linksOf(pool, checkpoint), keys);
        if (problem !== undefined) report(partition, problem);
        position = checkpoint.position;
        previous = digestOf(checkpoint);
      }
      if (page.length < PAGE) break;
    }
  }
  return count;
}
