import type { Event } from '@batuta/contracts';
import { Tally, distributions, tallies } from '@batuta/observability';
import type { Distribution } from '@batuta/observability';
import { EVENTS } from '../../domain/index.js';
import type { Measure, Metric, State } from '../../domain/index.js';
import { ofExecution } from './batch.js';
import type { Commit } from './batch.js';

const COMMIT_EVENTS_BUCKETS = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000];

/** How many first label values of one metric have a cached meter. Others are looked up each time. */
const MOST_KEPT = 10_000;

type Measures = (data: Event['data'], state: State, at: number) => readonly Measure[];

/** The children of a metric, by label values. */
class Meters {
  readonly #counters: ((...labels: string[]) => Tally) | undefined;
  readonly #distributions: ((...labels: string[]) => Distribution) | undefined;
  /** By the first label value, then by the second, so that no key must be built for a lookup. */
  readonly #kept = new Map<string, Map<string, Tally | Distribution>>();

  constructor({ type, name, help, labels, buckets, most, from }: Metric) {
    if (type === 'counter') this.#counters = tallies(name, help, labels, most);
    else this.#distributions = distributions(name, help, labels, buckets, most);
    for (const label of from ?? []) this.#find([label]);
    if (labels.length === 0) this.#find([]);
  }

  add(labels: Measure['labels'], value: number): void {
    // By index, because destructuring would iterate.
    const first = labels[0] ?? '';
    const second = labels[1] ?? '';
    let meter = this.#kept.get(first)?.get(second);
    if (meter === undefined) {
      meter = this.#find(labels);
      const kept = this.#kept.get(first);
      // The metrics themselves limit the number of label values. This is only a cache.
      if (kept !== undefined) kept.set(second, meter);
      else if (this.#kept.size < MOST_KEPT) this.#kept.set(first, new Map([[second, meter]]));
    }
    if (meter instanceof Tally) meter.inc(value);
    else meter.observe(value);
  }

  #find(labels: Measure['labels']): Tally | Distribution {
    const meter = this.#counters?.(...labels) ?? this.#distributions?.(...labels);
    if (meter === undefined) throw new TypeError('a metric is a counter or a distribution');
    return meter;
  }
}

/** Updates metrics for commits, as the definitions of their events say. */
export class CommitMeter {
  readonly #commitSeconds = distributions('batuta_commit_seconds', 'Time of commits, from sent to answered')();
  readonly #commitEvents = distributions('batuta_commit_events', 'Events of one commit', [], COMMIT_EVENTS_BUCKETS)();
  readonly #meters = new Map<Metric, Meters>();

  constructor() {
    for (const { measures } of Object.values(EVENTS)) {
      for (const metric of measures?.metrics ?? []) {
        if (!this.#meters.has(metric)) this.#meters.set(metric, new Meters(metric));
      }
    }
  }

  record({ changes, tookMs }: Commit): void {
    let events = 0;
    for (const change of changes) {
      events += change.events.length;
      if (!ofExecution(change)) continue;
      for (const { event, stored, state } of change.events) {
        const { measures } = EVENTS[event.type];
        if (measures === undefined) continue;
        for (const { metric, labels, value } of (measures.of as Measures)(event.data, state, stored.at)) {
          this.#meters.get(metric)?.add(labels, value);
        }
      }
    }
    // A commit without events only changes wake-ups.
    this.#commitSeconds.observe(tookMs / 1_000);
    this.#commitEvents.observe(events);
  }
}
