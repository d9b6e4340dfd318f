import type { CommandReply, CommandRequest, RetentionPolicy } from '@batuta/contracts';
import type { Pool } from 'pg';
import type { Archived, Archiver } from '../archive/archiver.js';
import type { Partition } from '../partitions/lane/partition.js';
import type { Clock, EngineLog } from '../partitions/ports/ports.js';
import { judged, youngest } from './policy.js';
import type { Ended, Measured } from './policy.js';
import { BEYOND_NEWEST, ENDED_AFTER, TENANTS_AFTER } from './sql.js';

interface RetentionJobParts {
  readonly clock: Clock;
  readonly log: EngineLog;
  readonly pool: Pick<Pool, 'query'>;
  readonly partitions: () => readonly Partition[];
  /** The stored policies of tenants that have any. */
  readonly policies: () => Promise<ReadonlyMap<string, readonly RetentionPolicy[]>>;
  /** The policy for tenants without one for all of their executions. Undefined: nothing of theirs is deleted. */
  readonly platformDefault: RetentionPolicy | undefined;
  /** For policies that archive; undefined when the platform has no archive. */
  readonly archiver: Pick<Archiver, 'archive' | 'store'> | undefined;
  /** Passes a command to the owner of its partition, which is this process. Undefined when there is no answer. */
  readonly command: (request: CommandRequest) => Promise<CommandReply | undefined>;
  readonly newId: () => string;
  /** How long policies leave an execution alone that was restored from the archive. */
  readonly restoredKeptMs: number;
  /** The pause after a pass over all executions. */
  readonly everyMs: number;
  /** The maximum number of deletions a second. */
  readonly rate: number;
}

/** What it has done since the start, and the result of the last pass. */
interface RetentionFigures {
  deleted: number;
  failures: number;
  /** Those of `deleted` that are in the archive. */
  archived: number;
  /** Compressed, of the files that hold them. */
  archivedBytes: number;
  /** Files that could not be written or read back, and executions that cannot be archived. */
  archiveFailures: number;
  /** How long the oldest due execution has been due. 0 when none is. */
  oldestWaitingMs: number;
}

/** Executions in one page. */
const PAGE = 500;
/** The maximum number of concurrent deletions. */
const AT_ONCE = 8;
const PAUSE_MS = 100;
const PAUSE_AFTER_FAILURE_MS = 5_000;
const MOST_TENANTS = 200;

interface EndedRow {
  readonly id: string;
  readonly partition: number;
  readonly version: number;
  readonly status: string;
  readonly configId: string;
  readonly createdAt: string;
  readonly endedAt: string;
  /** Null when it was not restored from the archive. */
  readonly restoredAt: string | null;
}

interface Due extends Ended {
  readonly version: number;
  readonly policy: RetentionPolicy;
  readonly since: number;
}

/**
 * Deletes executions according to retention policies, in the partitions that this process owns. It reads each tenant's
 * ended executions, oldest first, page by page, and sends the engine a command for each due one. The command names the
 * checked version, so an execution that was continued since is left alone. A policy with the action `archive` has its
 * executions in the archive before. A new owner of the partition starts from the beginning, and nothing is stored.
 */
export class RetentionJob {
  readonly #parts: RetentionJobParts;
  readonly figures: RetentionFigures = {
    deleted: 0,
    failures: 0,
    archived: 0,
    archivedBytes: 0,
    archiveFailures: 0,
    oldestWaitingMs: 0,
  };
  #cancel: (() => void) | undefined;
  #wake: (() => void) | undefined;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;
  #oldest = 0;
  /** Of the last deletions at least one may have been made although nobody said so. */
  #unanswered = false;
  /** The archive has failed in this look: it is not asked again before the next. */
  #archiveFailed = false;
  #end: () => void = () => undefined;
  readonly #ended = new Promise<'stopped'>((resolve) => {
    this.#end = () => resolve('stopped');
  });

  constructor(parts: RetentionJobParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel?.();
    this.#wake?.();
    // Running deletions are decided with or without this process, so it does not wait for them.
    this.#end();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      let pause = this.#parts.everyMs;
      try {
        this.#oldest = 0;
        this.#archiveFailed = false;
        await this.#walk();
        this.figures.oldestWaitingMs = this.#oldest;
      } catch (error) {
        this.figures.failures += 1;
        this.#parts.log.warn({ err: error }, 'retention policies cannot be applied now; the next look tries again');
        pause = Math.max(pause, PAUSE_AFTER_FAILURE_MS);
      }
      await this.#pause(pause);
    }
  }

  #pause(ms: number): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wake = resolve;
      this.#cancel = this.#parts.clock.after(ms, resolve);
    });
  }

  async #walk(): Promise<void> {
    const { platformDefault } = this.#parts;
    const policies = await this.#parts.policies();
    if (platformDefault === undefined) {
      for (const [tenantId, own] of policies) await this.#tenant(tenantId, own);
      return;
    }
    for (let after = ''; !this.#stopped;) {
      const { rows } = await this.#parts.pool.query<{ tenant: string }>(TENANTS_AFTER, [after, MOST_TENANTS]);
      for (const { tenant } of rows) {
        const own = policies.get(tenant) ?? [];
        const general = own.some(({ configId }) => configId === undefined) ? [] : [platformDefault];
        await this.#tenant(tenant, [...own, ...general]);
      }
      if (rows.length < MOST_TENANTS) return;
      after = rows.at(-1)?.tenant ?? '';
    }
  }

  async #tenant(tenantId: string, policies: readonly RetentionPolicy[]): Promise<void> {
    const { clock, pool } = this.#parts;
    const measured: Measured[] = [];
    for (const policy of policies) measured.push({ policy, beyond: await this.#beyond(tenantId, policy) });
    let after = { createdAt: 0, id: '00000000-0000-0000-0000-000000000000' };
    while (!this.#stopped) {
      const owned = this.#parts.partitions().map(({ id }) => id);
      if (owned.length === 0) return;
      const until = youngest(measured, clock.now());
      const { rows } = await pool.query<EndedRow>(ENDED_AFTER, [tenantId, after.createdAt, after.id, until, PAGE]);
      const mine = new Set(owned);
      const due = rows.flatMap((row) => (mine.has(row.partition) ? this.#judge(measured, row) : []));
      const archives = due.filter(({ policy }) => policy.action === 'archive');
      await this.#delete(
        tenantId,
        due.filter(({ policy }) => policy.action !== 'archive'),
      );
      await this.#archive(tenantId, archives);
      const last = rows.at(-1);
      if (last === undefined || rows.length < PAGE) return;
      after = { createdAt: Number(last.createdAt), id: last.id };
      await this.#pause(PAUSE_MS);
    }
  }

  async #beyond(tenantId: string, policy: RetentionPolicy): Promise<Measured['beyond']> {
    const { keepNewest, configId, statuses = [] } = policy;
    if (keepNewest === undefined) return undefined;
    const { rows } = await this.#parts.pool.query<{ id: string; createdAt: string }>(BEYOND_NEWEST, [
      tenantId,
      configId ?? null,
      statuses.length === 0 ? null : statuses,
      keepNewest,
    ]);
    const [row] = rows;
    return row === undefined ? undefined : { id: row.id, createdAt: Number(row.createdAt) };
  }

  #judge(measured: readonly Measured[], row: EndedRow): Due[] {
    const execution = { ...row, createdAt: Number(row.createdAt), endedAt: Number(row.endedAt) };
    const now = this.#parts.clock.now();
    // Else a policy would put away at once what somebody has just asked for.
    if (row.restoredAt !== null && now < Number(row.restoredAt) + this.#parts.restoredKeptMs) return [];
    const found = judged(measured, execution, now);
    return found === undefined ? [] : [{ ...execution, ...found }];
  }

  /**
   * Archives them, a file at a time and one execution after the other, and deletes those that the file holds. Nothing is deleted
   * that the archive did not give back as it was committed. Never rejects for a failure of the archive.
   */
  async #archive(tenantId: string, due: readonly Due[]): Promise<void> {
    const { archiver, clock, log } = this.#parts;
    for (const { since } of due) this.#waits(clock.now() - since);
    for (let left = due; left.length > 0 && !this.#stopped && !this.#archiveFailed;) {
      try {
        if (archiver === undefined) throw new Error('the platform has no archive: BATUTA_ARCHIVE_URL is not set');
        const found = await archiver.archive(tenantId, left, () => !this.#stopped);
        if (found.name !== undefined) await this.#deleteArchived(archiver, tenantId, left.slice(0, found.taken), found);
        left = left.slice(found.taken);
      } catch (error) {
        this.#archiveFailed = true;
        this.figures.archiveFailures += 1;
        const message = 'executions cannot be archived now, so they are not deleted; the next look tries again';
        log.warn({ err: error, tenant_id: tenantId, executions: left.length }, message);
      }
    }
  }

  async #deleteArchived(
    { store }: Pick<Archiver, 'store'>,
    tenantId: string,
    due: readonly Due[],
    { name, bytes, archived, broken }: Archived,
  ): Promise<void> {
    for (const [id, problem] of broken) {
      this.figures.archiveFailures += 1;
      this.#parts.log.error(
        { execution_id: id, problem },
        'the events of an execution are not those that were committed: it is neither archived nor deleted',
      );
    }
    const before = this.figures.deleted;
    await this.#delete(
      tenantId,
      due.filter(({ id }) => archived.has(id)),
      name,
    );
    const deleted = this.figures.deleted - before;
    this.figures.archived += deleted;
    if (deleted > 0) this.figures.archivedBytes += bytes;
    // Whoever stops does not know what became of the last deletions.
    else if (!this.#stopped && !this.#unanswered) await store.remove(name);
  }

  /** Deletes a few at a time, within the rate, so that other work comes first. */
  async #delete(tenantId: string, due: readonly Due[], archive?: string): Promise<void> {
    const { clock, rate } = this.#parts;
    this.#unanswered = false;
    for (let from = 0; from < due.length && !this.#stopped; from += AT_ONCE) {
      const some = due.slice(from, from + AT_ONCE);
      const began = clock.elapsed();
      for (const { since } of some) this.#waits(clock.now() - since);
      await Promise.all(some.map((each) => this.#deleteOne(tenantId, each, archive)));
      await this.#pause(Math.max(0, (some.length * 1_000) / rate - (clock.elapsed() - began)));
    }
  }

  #waits(ms: number): void {
    this.#oldest = Math.max(this.#oldest, ms);
    this.figures.oldestWaitingMs = Math.max(this.figures.oldestWaitingMs, ms);
  }

  async #deleteOne(tenantId: string, { id, version, policy }: Due, archive?: string): Promise<void> {
    const request: CommandRequest = {
      commandId: this.#parts.newId(),
      executionId: id,
      principal: { tenantId, userId: '', role: 'admin', keyId: '' },
      deleteExecution: { policy: policy.name, ifVersion: version, ...(archive === undefined ? {} : { archive }) },
    };
    const reply = await Promise.race([this.#parts.command(request), this.#ended]);
    if (reply === 'stopped' || reply === undefined) this.#unanswered = true;
    if (reply === 'stopped') return;
    if (reply?.accepted !== undefined) {
      this.figures.deleted += 1;
    } else if (!LEFT_ALONE.has(reply?.rejected?.code ?? '')) {
      this.figures.failures += 1;
      this.#parts.log.warn(
        { execution_id: id, policy: policy.name, refused: reply?.rejected?.code ?? 'no answer' },
        'an execution that a retention policy wants gone could not be deleted; the next look tries again',
      );
    }
  }
}

/** It was continued or deleted since it was checked. */
const LEFT_ALONE: ReadonlySet<string> = new Set(['version_conflict', 'not_ended', 'execution_deleted']);
