import { setTimeout as delay } from 'node:timers/promises';
import { DEFAULT_TENANT, PAUSE_KINDS, PAUSE_LIMITS, TENANT_ID, TOKEN, unknownField } from '@batuta/contracts';
import type {
  JsonValue,
  ListPausesReply,
  Pause,
  PauseKind,
  PauseReply,
  Principal,
  Refusal,
  Violation,
} from '@batuta/contracts';
import type { Logger } from '@batuta/observability';
import type { TenantPool } from '@batuta/service';
import { HeldTasks } from './held-tasks.js';
import { ALL_PAUSES, BEGIN_PAUSE, COUNT_PAUSES, END_PAUSE, PAUSES_OF_PLATFORM, PAUSES_SEEN_BY } from './sql.js';

export interface PausesParts {
  readonly pool: Pick<TenantPool, 'seen'>;
  readonly log: Pick<Logger, 'info' | 'warn'>;
  /** Called after the pauses have changed. */
  readonly onChange: () => void;
  /** Milliseconds between two looks at what other processes have paused. */
  readonly everyMs: number;
}

type PauseRow = Pause & { readonly tenantId: string; readonly created?: boolean };

const FIELDS: ReadonlySet<string> = new Set(['reason']);

/** What is paused: kept in PostgreSQL, so that it survives every process, and known here for each task. */
export class Pauses {
  readonly #parts: PausesParts;
  readonly held = new HeldTasks();
  #agentExists: ((tenantId: string, agent: string) => Promise<boolean>) | undefined;
  #end: AbortController | undefined;
  #failing = false;

  constructor(parts: PausesParts) {
    this.#parts = parts;
  }

  /** Registers how the agent of a new pause is looked up. Until then every agent counts as existing. */
  onAgent(exists: (tenantId: string, agent: string) => Promise<boolean>): void {
    this.#agentExists = exists;
  }

  /** Reads what is paused, so that no task goes out before it is known, and looks again from time to time. */
  async start(): Promise<void> {
    await this.#look();
    this.#end = new AbortController();
    void this.#follow(this.#end.signal);
  }

  stop(): void {
    this.#end?.abort();
  }

  async #follow(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await delay(this.#parts.everyMs, undefined, { signal, ref: false }).catch(() => undefined);
      if (signal.aborted) return;
      try {
        await this.#look();
        this.#failing = false;
      } catch (error) {
        // What was known stays. Readiness reports an outage.
        if (!this.#failing) this.#parts.log.warn({ err: error }, 'what is paused cannot be read now');
        this.#failing = true;
      }
    }
  }

  async #look(): Promise<void> {
    const { rows } = await this.#parts.pool.seen('everybody').query<PauseRow>(ALL_PAUSES);
    if (!this.held.set(rows)) return;
    this.#parts.log.info({ count: rows.length }, 'what is paused has changed');
    this.#parts.onChange();
  }

  async list({ tenantId }: Principal): Promise<ListPausesReply> {
    const platform = tenantId === DEFAULT_TENANT;
    const { rows } = await this.#parts.pool
      .seen(platform ? 'everybody' : { tenantId })
      .query<PauseRow>(platform ? PAUSES_OF_PLATFORM : PAUSES_SEEN_BY, [tenantId]);
    return { pauses: rows.map(shownPause) };
  }

  async begin(principal: Principal, kind: string, name: string, body: JsonValue): Promise<PauseReply> {
    const target = await this.#target(principal, kind, name);
    if ('refused' in target) return target;
    const read = reasonOf(body);
    if (typeof read !== 'string') {
      const message = `The pause has ${read.length === 1 ? 'one mistake' : `${read.length} mistakes`}.`;
      return { refused: { code: 'validation_failed', message, violations: [...read] } };
    }
    if (kind === 'agent' && (await this.#agentExists?.(target.tenantId, name)) === false) {
      return { refused: { code: 'not_found', message: `There is no agent "${name}".` } };
    }
    const seen = this.#parts.pool.seen({ tenantId: target.tenantId });
    const { rows: counted } = await seen.query<{ n: number }>(COUNT_PAUSES, [target.tenantId, kind]);
    if ((counted[0]?.n ?? 0) >= PAUSE_LIMITS.pauses) {
      const message = `A tenant has at most ${PAUSE_LIMITS.pauses} pauses of a kind.`;
      return { refused: { code: 'conflict', message } };
    }
    const values = [target.tenantId, kind, name, read, principal.userId];
    const { rows } = await seen.query<PauseRow>(BEGIN_PAUSE, values);
    return this.#changed(rows[0]);
  }

  async end(principal: Principal, kind: string, name: string): Promise<PauseReply> {
    const target = await this.#target(principal, kind, name);
    if ('refused' in target) return target;
    const { rows } = await this.#parts.pool
      .seen({ tenantId: target.tenantId })
      .query<PauseRow>(END_PAUSE, [target.tenantId, kind, name]);
    if (rows.length === 0) {
      return { refused: { code: 'not_found', message: `The ${kind} "${name}" is not paused.` } };
    }
    return this.#changed(rows[0]);
  }

  async #changed(row: PauseRow | undefined): Promise<PauseReply> {
    if (row === undefined) throw new Error('a pause that was written is not there');
    // Other processes see it at their next look. Here it holds when the answer is sent.
    await this.#look();
    const { created = false, ...pause } = row;
    return { pause: shownPause(pause), ...(created ? { created } : {}) };
  }

  /** Whose tasks are meant, or why this principal may not decide about them. */
  async #target(
    { tenantId }: Principal,
    kind: string,
    name: string,
  ): Promise<{ readonly tenantId: string } | { readonly refused: Refusal }> {
    if (!PAUSE_KINDS.includes(kind as PauseKind)) {
      const message = `Only these can be paused: ${PAUSE_KINDS.join(', ')}.`;
      return { refused: { code: 'not_found', message } };
    }
    const pattern = kind === 'tenant' ? TENANT_ID : TOKEN;
    if (!pattern.test(name)) {
      return { refused: { code: 'not_found', message: `"${name}" is not the name of a ${kind}.` } };
    }
    if (kind !== 'tenant') return { tenantId };
    if (tenantId === DEFAULT_TENANT) return { tenantId: name };
    const message = `Only an admin of the tenant "${DEFAULT_TENANT}" may pause and resume tenants.`;
    return { refused: { code: 'forbidden', message } };
  }
}

/** A pause as its readers see it: without a tenant when it holds for all. */
export function shownPause({ tenantId, ...pause }: Pause): Pause {
  const forAll = pause.kind === 'pool' && tenantId === DEFAULT_TENANT;
  return { ...pause, ...(forAll || tenantId === undefined ? {} : { tenantId }) };
}

/** The reason in a user's body, or each mistake with its place. */
function reasonOf(body: JsonValue): string | readonly Violation[] {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    return [{ path: '', code: 'wrong_type', message: 'must be an object' }];
  }
  const unknown = Object.keys(body).filter((field) => !FIELDS.has(field));
  const violations: Violation[] = unknown.map((field) => unknownField('', field, FIELDS));
  const reason = body['reason'] ?? '';
  if (typeof reason !== 'string') {
    violations.push({ path: '/reason', code: 'wrong_type', message: 'must be a text' });
  } else if (reason.length > PAUSE_LIMITS.reason) {
    const message = `must have at most ${PAUSE_LIMITS.reason} characters`;
    violations.push({ path: '/reason', code: 'too_long', message });
  } else if (violations.length === 0) {
    return reason;
  }
  return violations;
}
