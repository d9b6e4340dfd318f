import type { AdmitReply, AdmitRequest, Refusal, TenantLimits } from '@batuta/contracts';
import { limitReached } from '@batuta/contracts';
import type { Clock, OwnStart, OwnStarts } from '../partitions/ports/ports.js';

interface StreamStartsParts {
  readonly clock: Pick<Clock, 'elapsed' | 'after'>;
  /** Limits of a tenant; undefined when it has none. Throws when they are not known now. */
  readonly limitsOf: (tenantId: string) => TenantLimits | undefined;
  readonly admit: (request: AdmitRequest) => Promise<AdmitReply>;
}

interface Waiting {
  readonly start: OwnStart;
  readonly outcome: Promise<Refusal | 'unwanted' | undefined>;
  readonly until: number;
  readonly resolve: (outcome: Refusal | 'unwanted' | undefined) => void;
  readonly reject: (error: unknown) => void;
}

interface Line {
  readonly waiting: Waiting[];
  /** Executions that may be unfinished, as a multiple of the tenant's limit. */
  readonly factor: number;
}

/** Starts of one tenant that wait in one engine. What comes beyond them is refused at once. */
const MOST_WAITING = 1_000;
/**
 * A parent counts as unfinished while its child waits for a place. If children had to keep to the same number, parents could
 * hold all places and wait for each other. So children have as many places again.
 */
const CHILDREN_FACTOR = 2;
/** What was let through counts for so long, until its execution's row says more. */
const HOLDS_MS = 60_000;
const AGAIN_LEAST_MS = 100;
const AGAIN_MOST_MS = 2_000;

/**
 * Holds the starts of schedules and of parents to the limits of their tenants: those of one tenant wait in a line, the first
 * of which asks, so that a tenant that starts much asks no more than one that starts little.
 */
export class StreamStarts implements OwnStarts {
  readonly #parts: StreamStartsParts;
  readonly #lines = new Map<string, Line>();

  constructor(parts: StreamStartsParts) {
    this.#parts = parts;
  }

  async admitted(start: OwnStart): Promise<Refusal | 'unwanted' | undefined> {
    const {
      startsPerSecond = 0,
      unfinishedExecutions = 0,
      executionBytes = 0,
    } = this.#parts.limitsOf(start.tenantId) ?? {};
    if (startsPerSecond + unfinishedExecutions + executionBytes === 0) return undefined;
    // A line each, since children may have a place when other starts have none.
    const key = `${start.child ? 'child' : 'start'}/${start.tenantId}`;
    const line = this.#lines.get(key) ?? { waiting: [], factor: start.child ? CHILDREN_FACTOR : 1 };
    // A start that is asked for twice has one outcome: whoever was refused must not see it begin for the other.
    const same = line.waiting.find(({ start: { commandId } }) => commandId === start.commandId);
    if (same !== undefined) return same.outcome;
    if (line.waiting.length >= MOST_WAITING) {
      const [limit, most] =
        startsPerSecond > 0
          ? (['starts_per_second', startsPerSecond] as const)
          : unfinishedExecutions > 0
            ? (['unfinished_executions', unfinishedExecutions] as const)
            : (['execution_bytes', executionBytes] as const);
      return limitReached(limit, most, `${MOST_WAITING} executions wait already for the limits of the tenant.`);
    }
    const { promise, resolve, reject } = withResolvers<Refusal | 'unwanted' | undefined>();
    const until = this.#parts.clock.elapsed() + start.waitMs;
    line.waiting.push({ start, outcome: promise, until, resolve, reject });
    if (line.waiting.length === 1) {
      this.#lines.set(key, line);
      void this.#serve(key, line);
    }
    return promise;
  }

  /** Lets one after the other through, until nobody waits. */
  async #serve(key: string, line: Line): Promise<void> {
    const { waiting } = line;
    for (let first = waiting[0]; first !== undefined; first = waiting[0]) {
      if (!first.start.wanted()) {
        waiting.shift();
        first.resolve('unwanted');
        continue;
      }
      let refused: Refusal | undefined;
      try {
        refused = await this.#ask(first.start, line.factor);
      } catch (error) {
        // Nobody can say now, for any of them.
        for (const { reject } of waiting.splice(0)) reject(error);
        break;
      }
      if (refused === undefined) {
        waiting.shift();
        first.resolve(undefined);
        continue;
      }
      this.#giveUp(waiting, refused);
      if (waiting.length > 0) await this.#pause(refused);
    }
    this.#lines.delete(key);
  }

  async #ask(start: OwnStart, factor: number): Promise<Refusal | undefined> {
    const { tenantId, commandId, executionId, input } = start;
    // Anew each time: limits may have been changed while it waited.
    const { startsPerSecond = 0, unfinishedExecutions = 0, executionBytes = 0 } = this.#parts.limitsOf(tenantId) ?? {};
    const { refused } = await this.#parts.admit({
      tenantId,
      commandId,
      executionId,
      start: true,
      startsPerSecond,
      unfinishedExecutions: unfinishedExecutions * factor,
      executionBytes,
      holdsMs: HOLDS_MS,
      bytes: executionBytes > 0 && input !== undefined ? Buffer.byteLength(JSON.stringify(input)) : 0,
    });
    return refused;
  }

  /** Refuses those that have waited long enough. Bytes come free by deletions only, so nobody waits for them. */
  #giveUp(waiting: Waiting[], refused: Refusal): void {
    const now = this.#parts.clock.elapsed();
    const never = refused.details?.['limit'] === 'execution_bytes';
    const left = never ? waiting.slice(1) : waiting.filter(({ until }) => until > now);
    const gone = never ? waiting.slice(0, 1) : waiting.filter(({ until }) => until <= now);
    waiting.splice(0, waiting.length, ...left);
    for (const { resolve } of gone) resolve(refused);
  }

  #pause({ details }: Refusal): Promise<void> {
    const told = details?.['retry_after_ms'];
    const ms = Math.min(AGAIN_MOST_MS, Math.max(AGAIN_LEAST_MS, typeof told === 'number' ? told : 0));
    return new Promise((resolve) => {
      this.#parts.clock.after(ms, resolve);
    });
  }
}

/** `Promise.withResolvers`, which Node.js 20 lacks. */
function withResolvers<T>(): {
  readonly promise: Promise<T>;
  readonly resolve: (value: T) => void;
  readonly reject: (error: unknown) => void;
} {
  let resolve: (value: T) => void = () => undefined;
  let reject: (error: unknown) => void = () => undefined;
  const promise = new Promise<T>((one, other) => {
    resolve = one;
    reject = other;
  });
  return { promise, resolve, reject };
}
