/**
 * What every peer runs. The numbers are those of the benchmark's table; flags may lower them.
 *
 * @typedef {{ shape: 'chain' | 'fan', steps: number, step_ms: number }} Shape one execution: `steps` in a row, or `steps`
 *   side by side and a join
 * @typedef {{ shape: Shape, executions: number, in_flight: number, warm_up: number, warm_up_again: number }} Workload
 *   `warm_up` executions run before the first measured round of a work, `warm_up_again` before each later one
 */

/** @type {Readonly<Record<string, Workload>>} */
export const WORKLOADS = Object.freeze({
  W1: {
    shape: { shape: 'chain', steps: 3, step_ms: 0 },
    executions: 300,
    in_flight: 1,
    warm_up: 2000,
    warm_up_again: 200,
  },
  W2: {
    shape: { shape: 'chain', steps: 5, step_ms: 0 },
    executions: 2000,
    in_flight: 64,
    warm_up: 6000,
    warm_up_again: 1000,
  },
  W3: {
    shape: { shape: 'fan', steps: 50, step_ms: 0 },
    executions: 100,
    in_flight: 100,
    warm_up: 400,
    warm_up_again: 100,
  },
  W4: { shape: { shape: 'chain', steps: 3, step_ms: 0 }, executions: 1, in_flight: 1, warm_up: 0, warm_up_again: 0 },
  W5: {
    shape: { shape: 'chain', steps: 5, step_ms: 200 },
    executions: 500,
    in_flight: 500,
    warm_up: 100,
    warm_up_again: 100,
  },
});

/** Steps of one execution of `shape`, the join counted. @param {Shape} shape */
export function stepsPerExecution(shape) {
  return shape.shape === 'fan' ? shape.steps + 1 : shape.steps;
}

// Varied text, because a store that compresses its log would write almost nothing for one repeated letter.
const FILLER =
  'The baton rises, sixty players breathe in, and for 1 beat nobody in hall 7 knows who leads: the strings, ' +
  'the oboe with its A at 442 Hz, or the silence (ppp) before bar 19.';

/**
 * The output of one no-op step: about 200 bytes as JSON.
 *
 * @param {number} step
 */
export function stepOutput(step) {
  return { step, ok: true, text: FILLER };
}

/** Resolves after `ms` milliseconds. @param {number} ms @returns {Promise<void>} */
export function pause(ms) {
  return new Promise((resolve) => {
    setTimeout(resolve, ms);
  });
}
