import type { Failure, ReadStreamReply, ReadStreamRequest, StreamEnd, StreamPart } from '@batuta/contracts';
import type { Queryable } from '@batuta/service';
import { attemptsOf } from '../domain/index.js';
import type { State } from '../domain/index.js';
import { ENDS_OF_ATTEMPTS, PARTS_AFTER, STEPS_WITH_OUTPUT } from './sql.js';

const MOST_PARTS = 1_000;
/** Bytes of the texts of parts in one reply. */
const REPLY_BYTES = 2 * 1024 * 1024;
const MOST_STEPS = 10_000;

interface PartRow {
  readonly attempt: number;
  readonly seq: number;
  readonly at: number;
  readonly kind: string;
  readonly text: string;
  readonly id: string | null;
  readonly name: string | null;
}

interface EndRow {
  readonly type: 'ModelAnswered' | 'StepCompleted' | 'StepAttemptFailed';
  readonly version: number;
  readonly attempt: number;
  readonly failure: Failure | null;
}

const OUTCOMES = { ModelAnswered: 'answered', StepCompleted: 'completed', StepAttemptFailed: 'failed' } as const;

/** The steps of an execution that have partial output, and whether more may come. */
export async function stepsWithOutput(state: State, queries: Queryable): Promise<ReadStreamReply> {
  const { rows } = await queries.query<{ stepId: string }>(STEPS_WITH_OUTPUT, [state.executionId, MOST_STEPS]);
  const over = attemptsOf(state, '').executionEnded;
  return { parts: [], ends: [], steps: rows.map(({ stepId }) => stepId), over, version: state.version };
}

/**
 * The partial output of a step after a place. `state` was read earlier. An attempt that is over in it has no more output, because a
 * worker's result follows its output. Undefined when the execution has no such step.
 */
export async function readStream(
  state: State,
  { stepId = '', attempt = 0, after = 0, limit = MOST_PARTS, onlyAttempt = false }: ReadStreamRequest,
  queries: Queryable,
): Promise<ReadStreamReply | undefined> {
  const { newest, running, over, known } = attemptsOf(state, stepId);
  if (!known) return undefined;
  const most = Math.min(Math.max(1, limit), MOST_PARTS);
  // Leaves out attempts that began after `state`, because it is not known here whether the attempt before has ended.
  const last = onlyAttempt ? Math.min(attempt, newest) : newest;
  const from = [state.executionId, stepId, attempt, after, last, most + 1];
  const { rows } = await queries.query<PartRow>(PARTS_AFTER, from);
  const parts: StreamPart[] = [];
  let bytes = 0;
  for (const { id, name, ...part } of rows.slice(0, most)) {
    bytes += Buffer.byteLength(part.text);
    if (bytes > REPLY_BYTES && parts.length > 0) break;
    parts.push({ ...part, ...(id === null ? {} : { id }), ...(name === null ? {} : { name }) });
  }
  const more = parts.length < rows.length;
  const rest = { parts, over, version: state.version, newestAttempt: newest, ...(more ? { more } : {}) };
  // Those that were begun to be read, and those that have said something since.
  const read = new Set([...(attempt > 0 ? [attempt] : []), ...parts.map((part) => part.attempt)]);
  // If there are more parts, only the ends of earlier attempts: the end of an attempt comes after all of its output.
  const upTo = more ? (parts.at(-1)?.attempt ?? 0) - 1 : newest;
  const ended = [...read].filter((each) => each <= upTo && (each < newest || !running));
  if (ended.length === 0) return { ...rest, ends: [] };
  const found = await queries.query<EndRow>(ENDS_OF_ATTEMPTS, [
    state.executionId,
    stepId,
    Math.min(...ended),
    state.version,
  ]);
  const ends = ended.map((each): StreamEnd => {
    const row = found.rows.findLast((one) => one.attempt === each);
    if (row === undefined) return { attempt: each, outcome: 'stopped' };
    const { type, version, failure } = row;
    return { attempt: each, outcome: OUTCOMES[type], version, ...(failure === null ? {} : { failure }) };
  });
  return { ...rest, ends };
}
