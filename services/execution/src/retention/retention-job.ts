import type { CommandReply, CommandRequest, RetentionPolicy } from '@batuta/contracts';
import type { Pool } from 'pg';
import type { Partition } from '../partitions/partition.js';
import type { Clock, EngineLog } from '../partitions/ports.js';
import { judged, youngest } from './policy.js';
import type { Ended, Measured } from './policy.js';
import { BEYOND_NEWEST, ENDED_AFTER, TENANTS_AFTER } from './sql.js';

export interface RetentionJobParts {
  readonly clock: Clock;
  readonly log: EngineLog;
  readonly pool: Pick<Pool, 'query'>;
  readonly partitions: () => readonly Partition[];
  /** Policies of tenants that have any, as they are stored now. */
  readonly policies: () => Promise<ReadonlyMap<string, readonly RetentionPolicy[]>>;
  /** Of tenants that have no policy for all of their executions; undefined: nothing of theirs is deleted. */
  readonly platformDefault: RetentionPolicy | undefined;
  /** Hands a command to the owner of its partition, which is this process. Undefined when it came to no answer. */
  readonly command: (request: CommandRequest) => Promise<CommandReply | undefined>;
  readonly newId: () => string;
  /** How long it rests after it has looked at everything. */
  readonly everyMs: number;
  /** Executions a second that it deletes at most. */
  readonly rate: number;
}

/** What it has done since the start, and what it saw at its last look. */
export interface RetentionFigures {
  deleted: number;
  failures: number;
  /** For how long the execution has been due that has waited longest; 0 when nothing waits. */
  oldestWaitingMs: number;
}

/** Executions of one look. */
const PAGE = 500;
/** Deletions that are under way at the same time. */
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
}

interface Due extends Ended {
  readonly version: number;
  readonly policy: RetentionPolicy;
  readonly since: number;
}

/**
 * Deletes what retention policies want gone, of the partitions that this process owns: it walks through each tenant's ended executions, oldest
 * first, a page at a time, and sends the engine a command for each. The command names the version that was judged, so an
 * execution that somebody has run again since is left alone. Whoever takes the partition walks from the beginning: nothing is remembered.
 */
export class RetentionJob {
  readonly figures: RetentionFigures = { deleted: 0, failures: 0, oldestWaitingMs: 0 };
  #cancel: (() => void) | undefined;
  #wake: (() => void) | undefined;
  #running: Promise<void> = Promise.resolve();
  #stopped = false;
  #oldest = 0;
  #end: () => void = () => undefined;
  readonly #ended = new Promise<'stopped'>((resolve) => {
    this.#end = () => resolve('stopped');
  });

  constructor(private readonly parts: RetentionJobParts) {}

  start(): void {
    this.#running = this.#run();
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.#cancel?.();
    this.#wake?.();
    // What is under way is decided with or without this process, and nobody waits for it.
    this.#end();
    await this.#running;
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      let pause = this.parts.everyMs;
      try {
        this.#oldest = 0;
        await this.#walk();
        this.figures.oldestWaitingMs = this.#oldest;
      } catch (error) {
        this.figures.failures += 1;
        this.parts.log.warn({ err: error }, 'retention policies cannot be applied now; the next look tries again');
        pause = Math.max(pause, PAUSE_AFTER_FAILURE_MS);
      }
      await this.#pause(pause);
    }
  }

  #pause(ms: number): Promise<void> {
    if (this.#stopped) return Promise.resolve();
    return new Promise((resolve) => {
      this.#wake = resolve;
      this.#cancel = this.parts.clock.after(ms, resolve);
    });
  }

  async #walk(): Promise<void> {
    const { platformDefault } = this.parts;
    const policies = await this.parts.policies();
    if (platformDefault === undefined) {
      for (const [tenantId, own] of policies) await this.#tenant(tenantId, own);
      return;
    }
    for (let after = ''; !this.#stopped;) {
      const { rows } = await this.parts.pool.query<{ tenant: string }>(TENANTS_AFTER, [after, MOST_TENANTS]);
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
    const { clock, pool } = this.parts;
    const measured: Measured[] = [];
    for (const policy of policies) measured.push({ policy, beyond: await this.#beyond(tenantId, policy) });
    let after = { createdAt: 0, id: '00000000-0000-0000-0000-000000000000' };
    while (!this.#stopped) {
      const owned = this.parts.partitions().map(({ id }) => id);
      if (owned.length === 0) return;
      const until = youngest(measured, clock.now());
      const { rows } = await pool.query<EndedRow>(ENDED_AFTER, [tenantId, after.createdAt, after.id, until, PAGE]);
      const mine = new Set(owned);
      const due = rows.flatMap((row) => (mine.has(row.partition) ? this.#judge(measured, row) : []));
      await this.#delete(tenantId, due);
      const last = rows.at(-1);
      if (last === undefined || rows.length < PAGE) return;
      after = { createdAt: Number(last.createdAt), id: last.id };
      await this.#pause(PAUSE_MS);
    }
  }

  async #beyond(tenantId: string, policy: RetentionPolicy): Promise<Measured['beyond']> {
    const { keepNewest, configId, statuses = [] } = policy;
    if (keepNewest === undefined) return undefined;
    const { rows } = await this.parts.pool.query<{ id: string; createdAt: string }>(BEYOND_NEWEST, [
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
    const found = judged(measured, execution, this.parts.clock.now());
    return found === undefined ? [] : [{ ...execution, ...found }];
  }

  /** Deletes a few at a time, and no faster than the rate: what runs beside it goes first. */
  async #delete(tenantId: string, due: readonly Due[]): Promise<void> {
    const { clock, rate } = this.parts;
    for (let from = 0; from < due.length && !this.#stopped; from += AT_ONCE) {
      const some = due.slice(from, from + AT_ONCE);
      const began = clock.elapsed();
      for (const { since } of some) this.#waits(clock.now() - since);
      await Promise.all(some.map((each) => this.#deleteOne(tenantId, each)));
      await this.#pause(Math.max(0, (some.length * 1_000) / rate - (clock.elapsed() - began)));
    }
  }

  #waits(ms: number): void {
    this.#oldest = Math.max(this.#oldest, ms);
    this.figures.oldestWaitingMs = Math.max(this.figures.oldestWaitingMs, ms);
  }

  async #deleteOne(tenantId: string, { id, version, policy }: Due): Promise<void> {
    const request: CommandRequest = {
      commandId: this.parts.newId(),
      executionId: id,
      principal: { tenantId, userId: '', role: 'admin', keyId: '' },
      deleteExecution: { policy: policy.name, ifVersion: version },
    };
    const reply = await Promise.race([this.parts.command(request), this.#ended]);
    if (reply === 'stopped') return;
    if (reply?.accepted !== undefined) this.figures.deleted += 1;
    else if (!LEFT_ALONE.has(reply?.rejected?.code ?? '')) {
      this.figures.failures += 1;
      this.parts.log.warn(
        { execution_id: id, policy: policy.name, refused: reply?.rejected?.code ?? 'no answer' },
        'an execution that a retention policy wants gone could not be deleted; the next look tries again',
      );
    }
  }
}

/** Somebody has taken it up again, or deleted it, since it was judged. */
const LEFT_ALONE: ReadonlySet<string> = new Set(['version_conflict', 'not_ended', 'execution_deleted']);
