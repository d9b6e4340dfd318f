import { hash } from 'node:crypto';
import { ChainWalk, canonicalJson, merklePath } from '@batuta/event-store';
import type { ChainedEvent, SealKeys } from '@batuta/event-store';
import type {
  ChainAnchor,
  ExecutionIntegrity,
  ExecutionTombstone,
  ExportExecutionReply,
  ExportExecutionRequest,
  VerifyExecutionReply,
  VerifyExecutionRequest,
} from '@batuta/contracts';
import type { Queryable } from '@batuta/service';
import type { ConfigCopies, HistoryStore, ExecutionReader, Start } from '../store/port.js';
import { archivedExecution } from '../archive/archived-execution.js';
import type { ArchivedExecution } from '../archive/archive-file.js';
import type { ArchiveStore } from '../archive/archive-store.js';
import { isUuid } from '../messages/fields.js';
import { deletedRejection } from '../domain/index.js';
import type { EventOf } from '../domain/index.js';
import { checkpointOf, checkpointProblem, linksOf } from './checkpoints.js';
import type { SignedCheckpoint, StoredLink } from './checkpoints.js';
import { CHECKPOINT_OF, ROW_OF } from './sql.js';

/** Events per query. */
const PAGE = 200;
/** Characters of lines in one reply. A single event may have more. */
const LINES_CHARACTERS = 2 * 1024 * 1024;
const MOST_PROBLEMS = 100;

type Tombstone = EventOf<'ExecutionDeleted'>;

interface Anchored {
  readonly checkpoint: SignedCheckpoint;
  readonly leafVersion: number;
  readonly leafPosition: number;
  readonly links: readonly StoredLink[];
}

interface Seen {
  readonly store: ExecutionReader & HistoryStore;
  readonly queries: Queryable;
}

/**
 * Checks whether an execution's events are unchanged since their commit, and makes a bundle to check this elsewhere.
 */
export class Integrity {
  readonly #seenBy: (tenantId: string) => Seen;
  readonly #everybody: { readonly store: ConfigCopies; readonly queries: Queryable };
  readonly #keys: SealKeys;
  readonly #archive: Pick<ArchiveStore, 'get' | 'where'> | undefined;
  readonly #onArchiveFailure: (executionId: string, error: unknown) => void;

  constructor(
    /** The part of the log that a tenant's request sees. */
    seenBy: (tenantId: string) => Seen,
    /** Links of a checkpoint belong to many tenants, and a config may be published by one tenant and run by others. */
    everybody: { readonly store: ConfigCopies; readonly queries: Queryable },
    keys: SealKeys,
    /** Where archived executions are; undefined when the platform has no archive. */
    archive?: Pick<ArchiveStore, 'get' | 'where'>,
    /** Told why the archive did not give an execution. */
    onArchiveFailure: (executionId: string, error: unknown) => void = () => undefined,
  ) {
    this.#seenBy = seenBy;
    this.#everybody = everybody;
    this.#keys = keys;
    this.#archive = archive;
    this.#onArchiveFailure = onArchiveFailure;
  }

  async verify({ tenantId, executionId }: VerifyExecutionRequest): Promise<VerifyExecutionReply> {
    const seen = this.#seenBy(tenantId);
    if (!(await this.#isOf(seen, tenantId, executionId))) return NOT_FOUND;
    const tombstone = await this.#tombstone(seen, executionId);
    const removed = await this.#removed(seen, executionId, tombstone);
    const walk = new ChainWalk(executionId, removed);
    // Later events are not awaited: the row that is read first gives the required version.
    const { rows } = await seen.queries.query<{ version: number }>(ROW_OF, [executionId]);
    for (let from = (removed?.version ?? 0) + 1; ;) {
      const page = await seen.store.readChain(executionId, from, PAGE);
      for (const event of page) walk.add(event);
      if (page.length < PAGE) break;
      from = (page.at(-1)?.version ?? from) + 1;
    }
    walk.end(rows[0]?.version);
    const anchored = await this.#anchored(seen, executionId);
    const anchor = anchorOf(anchored, this.#keys);
    const { newest } = walk;
    const integrity: ExecutionIntegrity = {
      executionId,
      intact: walk.problems.length === 0 && anchor.status !== 'broken',
      events: walk.events,
      linked: walk.linked,
      unlinked: walk.unlinked,
      problems: walk.problems.slice(0, MOST_PROBLEMS),
      ...(newest === undefined ? {} : { head: newest }),
      anchor,
      ...(tombstone === undefined ? {} : { deleted: told(tombstone) }),
    };
    return { integrity };
  }

  /** Lines of a bundle, from an event on: its header before the first, and its proofs after the last. */
  async export({ tenantId, executionId, fromVersion }: ExportExecutionRequest): Promise<ExportExecutionReply> {
    const seen = this.#seenBy(tenantId);
    const gone = await this.#tombstone(seen, executionId);
    if (gone?.data.tenantId === tenantId && gone.data.archive !== undefined && this.#archive !== undefined) {
      return this.#archivedLines(gone.data.archive, executionId, fromVersion);
    }
    if (gone?.data.tenantId === tenantId) {
      const { at, commandId, data: facts } = gone;
      const refused = deletedRejection({ deleted: { at, commandId, facts } });
      return { lines: [], ...(refused === undefined ? NOT_FOUND : { refused }) };
    }
    const start = await this.#startOf(seen, executionId);
    if (start === undefined || start.tenantId !== tenantId) return { lines: [], ...NOT_FOUND };
    const lines: string[] = [];
    const from = Math.max(1, fromVersion ?? 1);
    if (from === 1) {
      const { configId, configVersion } = start;
      const definition = (await this.#everybody.store.readConfig(configId, configVersion)) ?? null;
      const config = { id: configId, version: configVersion, definition };
      lines.push(JSON.stringify({ line: 'bundle', bundle: 1, execution_id: executionId, tenant_id: tenantId, config }));
    }
    let characters = 0;
    let last: ChainedEvent | undefined;
    const page = await seen.store.readChain(executionId, from, PAGE);
    for (const event of page) {
      const { version, partition, position, at, type, commandId, data, link } = event;
      const line = { line: 'event', version, partition, position, at, type, command_id: commandId, data, link };
      const text = JSON.stringify(line);
      if (last !== undefined && characters + text.length > LINES_CHARACTERS) break;
      lines.push(text);
      characters += text.length;
      last = event;
    }
    if (last !== undefined && (last !== page.at(-1) || page.length === PAGE)) {
      return { lines, nextVersion: last.version + 1 };
    }
    const [checkpoint, config] = [await this.#proof(seen, executionId), await this.#signedConfig(start)];
    lines.push(JSON.stringify({ line: 'end', events: last?.version ?? from - 1, checkpoint, config }));
    return { lines };
  }

  /** The same lines out of the archive. */
  async #archivedLines(name: string, executionId: string, fromVersion = 1): Promise<ExportExecutionReply> {
    let found: ArchivedExecution;
    try {
      found = await archivedExecution(this.#archive, name, executionId);
    } catch (error) {
      this.#onArchiveFailure(executionId, error);
      const message = 'The execution is archived, and the archive does not return it. The log of the service says why.';
      return { lines: [], refused: { code: 'unavailable', message } };
    }
    const lines: string[] = [];
    let characters = 0;
    // The first line is that of the bundle, the last its end; event n stands between them at n.
    for (let place = fromVersion <= 1 ? 0 : fromVersion; place < found.lines.length; place += 1) {
      const line = found.lines[place] ?? '';
      if (lines.length > 1 && characters + line.length > LINES_CHARACTERS) return { lines, nextVersion: place };
      lines.push(line);
      characters += line.length;
    }
    return { lines };
  }

  /** No event contains a config's definition, so the platform signs it for the bundle. */
  async #signedConfig({ configId, configVersion }: Start): Promise<object | null> {
    const definition = await this.#everybody.store.readConfig(configId, configVersion);
    if (definition === undefined || !this.#keys.canSign) return null;
    const sha256 = hash('sha256', canonicalJson(definition), 'hex');
    const { keyId, signature } = this.#keys.sign(`batuta-config-1\n${configId}\n${configVersion}\n${sha256}`);
    return { sha256, key_id: keyId, signature, public_key: this.#keys.publicKey(keyId) };
  }

  async #proof(seen: Seen, executionId: string): Promise<object | null> {
    const anchored = await this.#anchored(seen, executionId);
    if (anchored === undefined) return null;
    const { checkpoint, leafVersion, leafPosition, links } = anchored;
    const { keyId, signature, partition, afterPosition, position, at, root, previous } = checkpoint;
    const place = links.findIndex((link) => link.position === leafPosition);
    return {
      partition,
      after_position: afterPosition,
      position,
      at,
      links: checkpoint.links,
      root,
      previous,
      key_id: keyId,
      signature,
      public_key: this.#keys.publicKey(keyId) ?? null,
      leaf_version: leafVersion,
      path: merklePath(links, place),
    };
  }

  async #anchored({ queries }: Seen, executionId: string): Promise<Anchored | undefined> {
    const { rows } = await queries.query<SignedCheckpoint & { leafVersion: number; leafPosition: string }>(
      CHECKPOINT_OF,
      [executionId],
    );
    const [row] = rows;
    if (row === undefined) return undefined;
    const { leafVersion, leafPosition, ...stored } = row;
    const checkpoint = checkpointOf(stored);
    const links = await linksOf(this.#everybody.queries, checkpoint);
    return { checkpoint, leafVersion, leafPosition: Number(leafPosition), links };
  }

  /** The event of the execution's deletion. */
  async #tombstone({ store }: Seen, executionId: string): Promise<Tombstone | undefined> {
    if (!isUuid(executionId)) return undefined;
    const [newest] = await store.readNewest([executionId]);
    if (newest?.type !== 'ExecutionDeleted') return undefined;
    const [event] = await store.readEvents(executionId, newest.version, 1);
    return event?.type === 'ExecutionDeleted' ? event : undefined;
  }

  /**
   * Where its chain continues after the removed events. Before they are removed, the whole chain is checked as usual.
   */
  async #removed({ store }: Seen, executionId: string, tombstone: Tombstone | undefined) {
    if (tombstone === undefined) return undefined;
    const [first] = await store.readChain(executionId, 1, 1);
    if (first?.version === 1) return undefined;
    const last = await store.readLastRemoved(executionId);
    const { version, partition, position } = tombstone;
    return { version: version - 1, partition, position: last?.position ?? position - 1, link: last?.link ?? '' };
  }

  async #startOf({ store }: Seen, executionId: string) {
    if (!isUuid(executionId)) return undefined;
    return (await store.readStarts([executionId])).get(executionId);
  }

  /** When the first event is removed, the read model still names the tenant. */
  async #isOf(seen: Seen, tenantId: string, executionId: string): Promise<boolean> {
    if (!isUuid(executionId)) return false;
    const { rows } = await seen.queries.query<{ tenant: string }>(
      'SELECT tenant_id AS tenant FROM execution.orchestration_executions WHERE id = $1',
      [executionId],
    );
    const tenant =
      rows[0]?.tenant ??
      (await this.#startOf(seen, executionId))?.tenantId ??
      (await this.#tombstone(seen, executionId))?.data.tenantId;
    return tenant === tenantId;
  }
}

function anchorOf(anchored: Anchored | undefined, keys: SealKeys): ChainAnchor {
  if (anchored === undefined) return { status: 'none' };
  const { checkpoint, leafVersion, links } = anchored;
  const problem = checkpointProblem(checkpoint, links, keys);
  const { position, at, keyId } = checkpoint;
  const known = keys.publicKey(keyId) !== undefined;
  return {
    status: problem !== undefined ? 'broken' : known ? 'signed' : 'unknown_key',
    upToVersion: leafVersion,
    checkpointPosition: position,
    checkpointAt: at,
    keyId,
    ...(problem === undefined ? {} : { message: problem }),
  };
}

function told({ at, data: { by, reason, policy, events, archive } }: Tombstone): ExecutionTombstone {
  return {
    deletedAt: at,
    events,
    ...(by === undefined ? {} : { by }),
    ...(reason === undefined ? {} : { reason }),
    ...(policy === undefined ? {} : { policy }),
    ...(archive === undefined ? {} : { archive }),
  };
}

const NOT_FOUND = { refused: { code: 'not_found' as const, message: 'There is no such execution.' } };
