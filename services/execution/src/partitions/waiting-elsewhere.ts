import { TOKEN } from '@batuta/contracts';
import type { Clock } from './ports.js';

/** Who is silent for so long has ended, or nothing waits there. */
const SILENT_MS = 3_000;

/** How many tasks wait in the memory of the other owners, as these tell it a few times a second. */
export class WaitingElsewhere {
  readonly #owners = new Map<string, { readonly at: number; readonly pools: ReadonlyMap<string, number> }>();
  #saidNothing = true;

  constructor(
    private readonly clock: Pick<Clock, 'elapsed'>,
    private readonly self: string,
  ) {}

  /** What to tell the others; undefined when they know that nothing waits here. */
  notice(waiting: Iterable<[string, number]>): string | undefined {
    const pools = [...waiting].filter(([, count]) => count > 0);
    const nothingNew = pools.length === 0 && this.#saidNothing;
    this.#saidNothing = pools.length === 0;
    return nothingNew ? undefined : JSON.stringify({ owner: this.self, pools: Object.fromEntries(pools) });
  }

  /** @throws when the text is no notice. */
  heard(text: string): void {
    const { owner, pools } = JSON.parse(text) as { owner: unknown; pools: unknown };
    if (typeof owner !== 'string' || !TOKEN.test(owner) || typeof pools !== 'object' || pools === null)
      throw new Error('it names no owner or no pools');
    if (owner === this.self) return;
    const counts = Object.entries(pools).filter(([, count]) => Number.isInteger(count) && (count as number) > 0);
    if (counts.length === 0) this.#owners.delete(owner);
    else this.#owners.set(owner, { at: this.clock.elapsed(), pools: new Map(counts as [string, number][]) });
  }

  in(pool: string): number {
    let sum = 0;
    for (const [owner, { at, pools }] of this.#owners) {
      if (this.clock.elapsed() - at > SILENT_MS) this.#owners.delete(owner);
      else sum += pools.get(pool) ?? 0;
    }
    return sum;
  }
}
