import type { Answer, Input } from './inputs.js';
import type { Partition } from './partition.js';
import type { Clock } from '../ports/ports.js';

/** Milliseconds until an outcome that was dropped is submitted again. */
const AGAIN_MS = 100;

interface RecordingParts {
  readonly clock: Clock;
  readonly submit: (partition: Partition, input: Input) => void;
}

export interface Outcome {
  /** Whether the outcome still has to become an event. */
  readonly wanted: () => boolean;
  readonly inputOf: (settled: (answer: Answer) => void) => Input;
  readonly done: () => void;
}

/**
 * Submits the outcome of an effect until it is decided, or is not wanted any more. Only then is the effect done: until
 * then a next owner must find it after the published position.
 */
export function recordOutcome(parts: RecordingParts, partition: Partition, { wanted, inputOf, done }: Outcome): void {
  const submit = (): void => {
    if (!wanted()) return done();
    parts.submit(
      partition,
      inputOf(({ kind }) => {
        if (kind !== 'dropped' || !partition.owned) return done();
        parts.clock.after(AGAIN_MS, submit);
      }),
    );
  };
  submit();
}
