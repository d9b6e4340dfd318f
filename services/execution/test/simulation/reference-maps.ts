import { uuidV5 } from '@batuta/contracts';
import type {
  ChildRequested,
  EventData,
  JsonObject,
  JsonValue,
  MapDefinition,
  OrchestrationDefinition,
} from '@batuta/contracts';

/** Children of one step with a map at once. */
const MOST_LANES = 10;
const MOST_ITEMS_OF_CHUNK = 100;

interface Chunk {
  phase: 'waiting' | 'running' | 'ended';
  child: number;
  completed: number;
  failed: JsonObject[];
  failures: number;
  results: readonly JsonValue[] | undefined;
}

interface Lane {
  id: string;
  number: number;
  chunk: number;
  list: number;
  ended: string | undefined;
  works: boolean;
}

const newChunk = (child = 0): Chunk => ({
  phase: 'waiting',
  child,
  completed: 0,
  failed: [],
  failures: 0,
  results: undefined,
});

/** How far a step with a map has come, from its events. Written without the engine's code. */
export class ReferenceMap {
  readonly #execution: string;
  readonly #step: string;
  readonly #rules: MapDefinition;
  readonly #expect: (holds: boolean, message: string) => void;
  #number = 0;
  #key: string | undefined;
  #given = '';
  #total = 0;
  #tolerated = 0;
  #starts: readonly number[] = [];
  #chunks: Chunk[] = [];
  readonly #lanes = new Map<string, Lane>();
  /** Why the step fails although its failed items do not say so: the end of a chunk that was stopped. */
  stopped: string | undefined;

  constructor(
    execution: string,
    step: string,
    rules: MapDefinition,
    expect: (holds: boolean, message: string) => void,
  ) {
    this.#execution = execution;
    this.#step = step;
    this.#rules = rules;
    this.#expect = expect;
  }

  get #most(): number {
    return Math.min(MOST_LANES, this.#rules.max_concurrency ?? MOST_LANES);
  }

  get #failures(): number {
    return this.#chunks.reduce((sum, { failures }) => sum + failures, 0);
  }

  get hasTooMany(): boolean {
    return this.#failures > this.#tolerated;
  }

  get isDone(): boolean {
    return this.#chunks.every(({ phase }) => phase === 'ended');
  }

  /** Whether a lane is free and a chunk waits for one. */
  get wantsMore(): boolean {
    const works = [...this.#lanes.values()].filter((lane) => lane.works).length;
    return works < this.#most && this.#chunks.some(({ phase }) => phase === 'waiting');
  }

  #size(chunk: number): number {
    return (this.#starts[chunk + 1] ?? this.#total) - (this.#starts[chunk] ?? this.#total);
  }

  start(data: EventData['MapStarted'], items: readonly JsonValue[], given: string): void {
    const { number, itemsKey, total, starts, tolerated, resumed = false } = data;
    const same = this.#number > 0 && this.#given === given;
    this.#expect(resumed === same, `${this.#step} continues its list ${resumed}, expected ${same}`);
    this.#expect(number === this.#number + (same ? 0 : 1), `${this.#step} has list ${number}`);
    this.#expect(!same || itemsKey === this.#key, `${this.#step} has another key for the same list`);
    this.#expect(total === items.length, `${this.#step} has ${total} items, not ${items.length}`);
    const said = this.#rules.tolerated_failures ?? 0;
    const most = typeof said === 'number' ? said : Math.floor((total * Number(said.replace('%', ''))) / 100);
    this.#expect(tolerated === most, `${this.#step} tolerates ${tolerated}, expected ${most}`);
    const sizes = starts.map((first, index) => (starts[index + 1] ?? total) - first);
    const fits = sizes.every((size) => size > 0 && size <= MOST_ITEMS_OF_CHUNK) && (starts[0] ?? 0) === 0;
    this.#expect(fits && (total === 0) === (starts.length === 0), `${this.#step} has chunks ${starts.join()}`);
    Object.assign(this, { stopped: undefined });
    this.#number = number;
    this.#key = itemsKey;
    this.#given = given;
    this.#total = total;
    this.#tolerated = tolerated;
    this.#starts = starts;
    this.#chunks = same
      ? this.#chunks.map((chunk) => (chunk.phase === 'ended' && chunk.failures === 0 ? chunk : newChunk(chunk.child)))
      : starts.map(() => newChunk());
    for (const lane of this.#lanes.values()) lane.works = false;
  }

  /** A lane gets a chunk, or another child for the one that it has. */
  adopts(
    { stepId: laneId, childId, number, chunk: told = 0, config, resumed = false }: ChildRequested,
    name: string,
  ): void {
    const index = told - 1;
    const chunk = this.#chunks[index];
    const lane = this.#lanes.get(laneId);
    const place = Number(laneId.slice(this.#step.length + 1));
    this.#expect(place >= 1 && place <= this.#most, `${laneId} is no lane`);
    this.#expect(config === `${name}/${this.#step}`, `${laneId} wants ${config}`);
    this.#expect(
      childId === uuidV5(this.#execution, `${this.#step}:${this.#number}:${index}/${number}`),
      `${laneId} has a child of another name`,
    );
    if (chunk === undefined) return this.#expect(false, `${laneId} works on chunk ${index}, which is none`);
    if (lane?.works === true) {
      // The child of an earlier run could not go on.
      this.#expect(lane.chunk === index && lane.ended === undefined, `${laneId} has two chunks`);
      this.#expect(number === lane.number + 1 && !resumed, `${laneId} has child ${number}`);
    } else {
      this.#expect(chunk.phase === 'waiting', `${laneId} works on chunk ${index}, which is ${chunk.phase}`);
      this.#expect(resumed === chunk.child > 0, `${laneId} takes up ${resumed}`);
      this.#expect(number === Math.max(1, chunk.child), `${laneId} has child ${number}`);
      this.#expect(this.#isNext(laneId, index), `${laneId} works on chunk ${index}, and another is next`);
    }
    chunk.phase = 'running';
    chunk.child = number;
    this.#lanes.set(laneId, { id: childId, number, chunk: index, list: this.#number, ended: undefined, works: true });
  }

  /** A lane whose child was stopped and has not told its end goes on with it. Then chunks come in their order. */
  #isNext(laneId: string, chunk: number): boolean {
    const bound = [...this.#lanes].filter(
      ([, lane]) =>
        !lane.works &&
        lane.ended === undefined &&
        lane.list === this.#number &&
        this.#chunks[lane.chunk]?.phase === 'waiting',
    );
    if (bound.length > 0) return bound.some(([id, lane]) => id === laneId && lane.chunk === chunk);
    return this.#chunks.findIndex(({ phase }) => phase === 'waiting') === chunk;
  }

  childEnded(laneId: string, childId: string, status: string): void {
    const lane = this.#lanes.get(laneId);
    this.#expect(lane?.id === childId && lane.ended === undefined, `${laneId} hears of ${childId}: ${status}`);
    if (lane === undefined) return;
    lane.ended = status;
    if (status === 'refused' && lane.works) this.stopped = status;
  }

  chunkEnded(data: EventData['MapChunkEnded']): void {
    const { laneId, chunk: index, completed, failed, failedItems, results, stopped = false } = data;
    const lane = this.#lanes.get(laneId);
    const chunk = this.#chunks[index];
    const works = lane?.works === true && lane.chunk === index && lane.ended !== undefined;
    this.#expect(works, `${laneId} tells of chunk ${index} without its end`);
    if (lane === undefined || chunk === undefined) return;
    const size = this.#size(index);
    const whole = completed + failed === size && lane.ended !== 'deleted';
    this.#expect(completed + failed <= size, `chunk ${index} has ${completed + failed} outcomes of ${size}`);
    this.#expect(stopped === !whole, `chunk ${index} is stopped: ${stopped}`);
    const first = this.#starts[index] ?? 0;
    const inside = failedItems.every((item) => item.index >= first && item.index < first + size);
    this.#expect(inside && failedItems.length === failed, `chunk ${index} names other items that failed`);
    const keeps = this.#rules.results !== 'counts' && lane.ended !== 'deleted' && lane.ended !== 'refused';
    this.#expect(!keeps || results?.length === size, `chunk ${index} gives ${results?.length} of ${size} results`);
    this.#expect(this.#rules.results !== 'counts' || results === undefined, `chunk ${index} gives results`);
    lane.works = false;
    Object.assign(chunk, {
      phase: stopped ? 'waiting' : 'ended',
      completed,
      failures: failed,
      failed: failedItems.map(({ index: at, code, message, executionId }) => {
        return { index: at, code, message, execution_id: executionId };
      }),
      results,
    });
    if (stopped && !this.hasTooMany) this.stopped = lane.ended;
  }

  /** A step that was done runs again: it keeps nothing of what its items gave. */
  forget(): void {
    this.#given = '';
  }

  /** The step ends before its items do. */
  leave(): void {
    for (const lane of this.#lanes.values()) lane.works = false;
  }

  get output(): JsonValue {
    const results = this.#chunks.flatMap((chunk) => chunk.results ?? []);
    if ((this.#rules.results ?? 'list') === 'list') return results;
    const completed = this.#chunks.reduce((sum, chunk) => sum + chunk.completed, 0);
    const report = {
      total: this.#total,
      completed,
      failed: this.#failures,
      failed_items: this.#chunks.flatMap(({ failed }) => failed),
    };
    return this.#rules.results === 'counts' ? report : { ...report, results };
  }
}

/** The items of a chunk, and what their steps see besides. */
export interface ReferenceChunk {
  readonly items: readonly JsonValue[];
  readonly first: number;
  readonly tolerated: number;
  readonly scope: JsonObject;
}

/** How many items a config has a step for each. Undefined for every other config. */
export function itemsOfConfig(definition: OrchestrationDefinition): number | undefined {
  return (definition as { chunk_items?: number }).chunk_items;
}

export function chunkFrom(input: JsonValue): ReferenceChunk {
  const { items, first, tolerated, results: _results, ...scope } = input as JsonObject;
  return { items: items as JsonValue[], first: Number(first), tolerated: Number(tolerated), scope };
}
