import { register } from 'prom-client';
import type { Metric } from 'prom-client';
import { DURATION_BUCKETS } from './metrics.js';

/** Maximum number of label values that one metric distinguishes. Further ones count as `other`. */
const MOST_CHILDREN = 200;
const OTHER = 'other';

interface Sample {
  readonly metricName?: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}

/** The counter of one combination of label values. */
export class Tally {
  value = 0;

  inc(by = 1): void {
    this.value += by;
  }
}

/** The histogram of one combination of label values. */
export class Distribution {
  readonly #buckets: readonly number[];
  sum = 0;
  count = 0;
  readonly counts: Float64Array;

  constructor(buckets: readonly number[]) {
    this.#buckets = buckets;
    this.counts = new Float64Array(buckets.length);
  }

  observe(value: number): void {
    this.sum += value;
    this.count += 1;
    for (let index = 0; index < this.#buckets.length; index++) {
      if (value <= (this.#buckets[index] as number)) {
        this.counts[index] = (this.counts[index] as number) + 1;
        return;
      }
    }
  }
}

class Family<Child> {
  readonly #labelNames: readonly string[];
  readonly #make: () => Child;
  readonly #most: number;
  readonly #children = new Map<string, Child>();
  readonly #labels = new Map<Child, Record<string, string>>();

  constructor(labelNames: readonly string[], make: () => Child, most: number) {
    this.#labelNames = labelNames;
    this.#make = make;
    this.#most = most;
  }

  child(values: readonly string[]): Child {
    const key = values.length === 1 ? (values[0] as string) : values.join('\n');
    const known = this.#children.get(key);
    if (known !== undefined) return known;
    if (this.#children.size >= this.#most && values.some((value) => value !== OTHER)) {
      return this.child(values.map(() => OTHER));
    }
    const child = this.#make();
    this.#children.set(key, child);
    this.#labels.set(child, Object.fromEntries(this.#labelNames.map((name, index) => [name, values[index] ?? ''])));
    return child;
  }

  *entries(): Iterable<[Record<string, string>, Child]> {
    for (const child of this.#children.values()) yield [this.#labels.get(child) ?? {}, child];
  }
}

/** Returns the child for label values, in the order of the label names. Keep the child where it is used often. */
export type Labelled<Child> = (...values: string[]) => Child;

const families = new Map<string, Labelled<never>>();

function expose<Child>(
  name: string,
  help: string,
  type: 'counter' | 'histogram',
  family: Family<Child>,
  samples: (labels: Record<string, string>, child: Child) => Sample[],
): Labelled<Child> {
  const labelled: Labelled<Child> = (...values) => family.child(values);
  families.set(name, labelled as Labelled<never>);
  const metric = {
    name,
    help,
    type,
    aggregator: 'sum',
    get: () =>
      Promise.resolve({
        name,
        help,
        type,
        aggregator: 'sum',
        values: [...family.entries()].flatMap(([labels, child]) => samples(labels, child)),
      }),
    reset: () => undefined,
  };
  // prom-client's own counters and histograms hash their labels at each call. The registry needs only this interface.
  register.registerMetric(metric as unknown as Metric);
  return labelled;
}

/**
 * Counters for hot paths: an increment is one addition, and labels are looked up once. At most `most` combinations of
 * label values are distinguished; the rest counts as `other`. The same name returns the same counters.
 */
export function tallies(
  name: string,
  help: string,
  labelNames: readonly string[] = [],
  most: number = MOST_CHILDREN,
): Labelled<Tally> {
  return (
    (families.get(name) as Labelled<Tally> | undefined) ??
    expose(name, help, 'counter', new Family(labelNames, () => new Tally(), most), (labels, child) => [
      { labels, value: child.value },
    ])
  );
}

/** Histograms for hot paths, like `tallies`. Buckets are in the unit of the name (seconds by default). */
export function distributions(
  name: string,
  help: string,
  labelNames: readonly string[] = [],
  buckets: readonly number[] = DURATION_BUCKETS,
  most: number = MOST_CHILDREN,
): Labelled<Distribution> {
  return (
    (families.get(name) as Labelled<Distribution> | undefined) ??
    expose(name, help, 'histogram', new Family(labelNames, () => new Distribution(buckets), most), (labels, child) => {
      const samples: Sample[] = [];
      let below = 0;
      for (const [index, le] of buckets.entries()) {
        below += child.counts[index] ?? 0;
        samples.push({ metricName: `${name}_bucket`, labels: { le, ...labels }, value: below });
      }
      return [
        ...samples,
        { metricName: `${name}_bucket`, labels: { le: '+Inf', ...labels }, value: child.count },
        { metricName: `${name}_sum`, labels, value: child.sum },
        { metricName: `${name}_count`, labels, value: child.count },
      ];
    })
  );
}
