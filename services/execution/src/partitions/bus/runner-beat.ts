import { TOKEN } from '@batuta/contracts';
import type { RunnerBeat } from '@batuta/contracts';

const countOf = (value: unknown): number => (Number.isInteger(value) ? Math.max(0, value as number) : 0);

/** A RunnerBeat, limited to the pool of its subject. Undefined when the text is malformed. */
export function beatOf(text: string, ownPool: string): RunnerBeat | undefined {
  try {
    const beat = JSON.parse(text) as Partial<RunnerBeat>;
    const { runnerId = '', incarnation, pools = [], held = [], begun = [], expiresMs, over } = beat;
    const whole =
      typeof incarnation === 'string' &&
      TOKEN.test(incarnation) &&
      typeof expiresMs === 'number' &&
      Array.isArray(held) &&
      Array.isArray(begun) &&
      Array.isArray(pools);
    if (!whole) return undefined;
    const counted = pools
      .filter(({ pool }) => pool === ownPool)
      .map(({ pool, free, open, slots }) => ({
        pool,
        free: countOf(free),
        open: open === true,
        slots: countOf(slots),
      }));
    return { runnerId, incarnation, pools: counted, held, begun, expiresMs, over: over === true };
  } catch {
    return undefined;
  }
}
