import { DAY, civilDay, daysOf } from './civil.js';

/** An instant at which a zone's clocks change. All times are epoch ms; offsets are ms east of UTC. */
interface Transition {
  readonly at: number;
  readonly before: number;
  readonly after: number;
}

/** Number of zone years that are cached. Computing one takes 366 lookups. */
const KEPT_YEARS = 2_000;
const zones = new Map<string, Zone | undefined>();
const KEPT_ZONES = 700;

const PARTS = /^(\d+)\/(\d+)\/(\d+), (\d+):(\d+):(\d+)$/;

/** A time zone of the IANA database in this process's version. */
export class Zone {
  readonly #format: Intl.DateTimeFormat;
  readonly #years = new Map<number, readonly Transition[]>();

  /** Throws a `RangeError` for a name that is not a zone. */
  private constructor(readonly name: string) {
    this.#format = new Intl.DateTimeFormat('en-US', {
      timeZone: name,
      calendar: 'gregory',
      numberingSystem: 'latn',
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
  }

  /**
   * The zone of a name such as Europe/Berlin or UTC. Undefined when there is none. Fixed offsets such as +02:00 are not
   * zones.
   */
  static of(name: string): Zone | undefined {
    if (zones.has(name)) return zones.get(name);
    let zone: Zone | undefined;
    try {
      zone = /^[A-Za-z]/.test(name) ? new Zone(name) : undefined;
    } catch (error) {
      if (!(error instanceof RangeError)) throw error;
    }
    if (zones.size >= KEPT_ZONES) zones.clear();
    zones.set(name, zone);
    return zone;
  }

  offsetAt(at: number): number {
    const second = Math.floor(at / 1_000) * 1_000;
    const found = PARTS.exec(this.#format.format(second));
    if (found === null) throw new Error(`the time ${at} has no local time in ${this.name}`);
    const [month = 0, day = 0, year = 0, hour = 0, minute = 0, rest = 0] = found.slice(1).map(Number);
    return daysOf({ year, month, day }) * DAY + ((hour * 60 + minute) * 60 + rest) * 1_000 - second;
  }

  /** The first transition after `from` and at or before `until`. */
  transitionAfter(from: number, until: number): Transition | undefined {
    for (let year = yearOf(from); year <= yearOf(until); year++) {
      for (const transition of this.#transitions(year)) {
        if (transition.at > from) return transition.at <= until ? transition : undefined;
      }
    }
    return undefined;
  }

  /** The last transition at or before `at`, if it is at most `within` earlier. */
  transitionBefore(at: number, within: number): Transition | undefined {
    for (let year = yearOf(at); year >= yearOf(at - within); year--) {
      const found = this.#transitions(year).findLast((transition) => transition.at <= at);
      if (found !== undefined) return found.at >= at - within ? found : undefined;
    }
    return undefined;
  }

  /** The transitions of a year in UTC. No zone has ever changed its clocks twice in a day. */
  #transitions(year: number): readonly Transition[] {
    const known = this.#years.get(year);
    if (known !== undefined) return known;
    const found: Transition[] = [];
    const first = daysOf({ year, month: 1, day: 1 });
    const days = daysOf({ year: year + 1, month: 1, day: 1 }) - first;
    let before = this.offsetAt(first * DAY - 1_000);
    let low = first * DAY - 1_000;
    for (let day = 1; day <= days; day++) {
      const high = (first + day) * DAY - 1_000;
      const after = this.offsetAt(high);
      if (after !== before) found.push({ at: this.#between(low, high, before), before, after });
      before = after;
      low = high;
    }
    if (this.#years.size >= KEPT_YEARS) this.#years.clear();
    this.#years.set(year, found);
    return found;
  }

  /** The first second in (low, high] whose offset is not `before`. */
  #between(low: number, high: number, before: number): number {
    let [from, to] = [low / 1_000, high / 1_000];
    while (to - from > 1) {
      const middle = Math.floor((from + to) / 2);
      if (this.offsetAt(middle * 1_000) === before) from = middle;
      else to = middle;
    }
    return to * 1_000;
  }
}

function yearOf(at: number): number {
  return civilDay(Math.floor(at / DAY)).year;
}
