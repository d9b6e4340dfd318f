import type { OrchestrationDefinition, Step } from '@batuta/client';
/** One execution: `steps` in a row, or `steps` in parallel and a join. */
export interface Shape {
  readonly shape: 'chain' | 'fan';
  readonly steps: number;
  /** Milliseconds that a step takes; 0 is a no-op. */
  readonly stepMs: number;
}

export interface Workload {
  readonly shape: Shape;
  readonly executions: number;
  readonly inFlight: number;
  /** Number of executions before the first measured round, until V8 has compiled their code. */
  readonly warmUp: number;
  /**
   * Number of executions before each later round. While other engines were measured, V8 may have released memory and
   * compiled code.
   */
  readonly warmUpAgain: number;
}

/** Works that start executions and wait for their results. The peers use the same numbers (bench/peers). */
export const WORKLOADS: Readonly<Record<'W1' | 'W2' | 'W3' | 'W4' | 'W5', Workload>> = {
  W1: { shape: { shape: 'chain', steps: 3, stepMs: 0 }, executions: 300, inFlight: 1, warmUp: 2000, warmUpAgain: 200 },
  W2: {
    shape: { shape: 'chain', steps: 5, stepMs: 0 },
    executions: 2000,
    inFlight: 64,
    warmUp: 6000,
    warmUpAgain: 1000,
  },
  W3: { shape: { shape: 'fan', steps: 50, stepMs: 0 }, executions: 100, inFlight: 100, warmUp: 400, warmUpAgain: 100 },
  W4: { shape: { shape: 'chain', steps: 3, stepMs: 0 }, executions: 1, inFlight: 1, warmUp: 0, warmUpAgain: 0 },
  W5: {
    shape: { shape: 'chain', steps: 5, stepMs: 200 },
    executions: 500,
    inFlight: 500,
    warmUp: 100,
    warmUpAgain: 100,
  },
};

/** Number of steps of one execution, including the join. */
export function stepsPerExecution({ shape, steps }: Shape): number {
  return shape === 'fan' ? steps + 1 : steps;
}

// Varied text, because a store that compresses its log would write almost nothing for one repeated letter.
const FILLER =
  'The baton rises, sixty players breathe in, and for 1 beat nobody in hall 7 knows who leads: the strings, ' +
  'the oboe with its A at 442 Hz, or the silence (ppp) before bar 19.';

/** The output of one no-op step: about 200 bytes as JSON. */
export function stepOutput(step: number): { step: number; ok: boolean; text: string } {
  return { step, ok: true, text: FILLER };
}

/** A config that runs the shape. A step's output is its input, which the config contains. */
export function configOf(name: string, { shape, steps, stepMs }: Shape): OrchestrationDefinition {
  const agent = stepMs === 0 ? { agent: 'echo' } : { agent: 'bench_ledger' };
  const step = (index: number): Step => ({
    id: `step_${index}`,
    name: `Step ${index}`,
    ...agent,
    ...(shape === 'chain' && index > 0 ? { dependencies: [`step_${index - 1}`] } : {}),
    // An attempt that is lost with its process does not count as one of `max_attempts`, unless it is lost three times
    // in a row.
    retry: { max_attempts: 5, backoff_ms: 50 },
    input: stepMs === 0 ? stepOutput(index) : { ...stepOutput(index), ms: stepMs },
  });
  const all = Array.from({ length: steps }, (_, index) => step(index));
  if (shape === 'chain') return { name, strategy: 'sequential', steps: all };
  const dependencies = Array.from({ length: steps }, (_, index) => `step_${index}`);
  // The join gets the outputs of all previous steps, as the peers' joins read their children's values.
  const join = { id: 'join', name: 'Join', agent: 'echo', dependencies };
  return { name, strategy: 'parallel', settings: { parallel_limit: steps }, steps: [...all, join] };
}

/** Whether this is the correct output of the shape's execution: the last step's output, or the join of all outputs. */
export function isResultOf({ shape, steps }: Shape, output: unknown): boolean {
  if (output === null || typeof output !== 'object') return false;
  const fields = output as Record<string, unknown>;
  if (shape === 'chain') return fields['step'] === steps - 1;
  return Object.keys(fields).filter((name) => name.startsWith('step_')).length === steps;
}
