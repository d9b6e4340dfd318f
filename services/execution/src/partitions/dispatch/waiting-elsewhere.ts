import { TOKEN } from '@batuta/contracts';
import type { Clock } from '../ports/ports.js';

/** Who is silent for so long has ended, or nothing waits there. */
const SILENT_MS = 3_000;

interface Owner {
  readonly at: number;
  readonly pools: ReadonlyMap<string, number>;
  readonly running: ReadonlyMap<string, number>;
}

/** How many tasks wait with the other owners and how many attempts of each tenant they run, as they tell it a few times a second. */
export class WaitingElsewhere {
  readonly #clock: Pick<Clock, 'elapsed'>;
  readonly #self: string;
  readonly #owners = new Map<string, Owner>();
  #saidNothing = true;

  constructor(clock: Pick<Clock, 'elapsed'>, self: string) {
    this.#clock = clock;
    this.#self = self;
  }

  /** What to tell the others; undefined when they know that nothing waits here. */
  notice(waiting: Iterable<[string, number]>, running: Iterable<[string, number]> = []): string | undefined {
    const pools = [...waiting].filter(([, count]) => count > 0);
    const tenants = [...running].filter(([, count]) => count > 0);
    const nothing = pools.length + tenants.length === 0;
    const nothingNew = nothing && this.#saidNothing;
    this.#saidNothing = nothing;
    if (nothingNew) return undefined;
    return JSON.stringify({
      owner: this.#self,
      pools: Object.fromEntries(pools),
      running: Object.fromEntries(tenants),
    });
  }

  /** @throws when the text is no notice. */
  heard(text: string): void {
    const { owner, pools, running = {} } = JSON.parse(text) as { owner: unknown; pools: unknown; running?: unknown };
    if (typeof owner !== 'string' || !TOKEN.test(owner) || typeof pools !== 'object' || pools === null) {
      throw new Error('it names no owner or no pools');
    }
    if (owner === this.#self) return;
    const said = { at: this.#clock.elapsed(), pools: countsOf(pools), running: countsOf(running) };
    if (said.pools.size + said.running.size === 0) this.#owners.delete(owner);
    else this.#owners.set(owner, said);
  }

  /** Tasks of a pool that wait there. */
  in(pool: string): number {
    return this.#sum(({ pools }) => pools.get(pool));
  }

  /** Attempts of a tenant that run there. */
  runningOf(tenantId: string): number {
    return this.#sum(({ running }) => running.get(tenantId));
  }

  #sum(countOf: (owner: Owner) => number | undefined): number {
    let sum = 0;
    for (const [name, owner] of this.#owners) {
      if (this.#clock.elapsed() - owner.at > SILENT_MS) this.#owners.delete(name);
      else sum += countOf(owner) ?? 0;
    }
    return sum;
  }
}

/** The whole numbers above 0 of what was said. */
function countsOf(said: unknown): ReadonlyMap<string, number> {
  const entries = typeof said === 'object' && said !== null ? Object.entries(said) : [];
  return new Map(entries.filter(([, count]) => Number.isInteger(count) && (count as number) > 0) as [string, number][]);
}
