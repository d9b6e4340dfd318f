import { createHash, hash } from 'node:crypto';
import type { Hash } from 'node:crypto';
import type { JsonValue } from '@batuta/contracts';

/** The fields of an event that its link covers. */
export interface LinkedEvent {
  readonly position: number;
  readonly stored: {
    readonly version: number;
    readonly at: number;
    readonly type: string;
    readonly commandId: string;
    /** The text that `canonicalJson` makes. */
    readonly data: string;
  };
}

/** The first line of the hashed text. Another rule for links gets another name. */
const RULE = 'batuta-link-1';
const MOST_MOVED = 32;

/**
 * JSON text of a value, with the keys of each object in ascending order of UTF-16 code units. jsonb keeps no order, so
 * the same text must follow from the stored value.
 */
export function canonicalJson(value: JsonValue | object): string {
  return JSON.stringify(inOrder(value as JsonValue));
}

/** Returns the value itself when all its keys are in order. Most events then cost a walk and no copy. */
function inOrder(value: JsonValue | undefined): JsonValue | undefined {
  if (typeof value !== 'object' || value === null) return value;
  if (Array.isArray(value)) {
    for (const [index, item] of value.entries()) {
      const ordered = inOrder(item);
      if (ordered === item) continue;
      return [
        ...value.slice(0, index),
        ordered as JsonValue,
        ...value.slice(index + 1).map((rest) => inOrder(rest) as JsonValue),
      ];
    }
    return value;
  }
  let before = '';
  for (const key in value) {
    const item = value[key];
    if (key < before || (typeof item === 'object' && item !== null && inOrder(item) !== item)) {
      return copyInOrder(value);
    }
    before = key;
  }
  return value;
}

function copyInOrder(value: Readonly<Record<string, JsonValue>>): JsonValue {
  const copy: Record<string, JsonValue> = {};
  for (const key of inAscendingOrder(Object.keys(value))) {
    const item = inOrder(value[key]) as JsonValue;
    // An assignment to this key would set the prototype.
    if (key === '__proto__') Object.defineProperty(copy, key, { value: item, enumerable: true });
    else copy[key] = item;
  }
  return copy;
}

/** Events have few keys, and most are in order. Moving them in place takes a tenth of the memory of a sort. */
function inAscendingOrder(keys: string[]): string[] {
  if (keys.length > MOST_MOVED) return keys.sort();
  for (let place = 1; place < keys.length; place += 1) {
    const key = keys[place] as string;
    let before = place - 1;
    for (; before >= 0 && (keys[before] as string) > key; before -= 1) keys[before + 1] = keys[before] as string;
    keys[before + 1] = key;
  }
  return keys;
}

/**
 * The link of the events that one commit appends to one execution: SHA-256, in hex, of the previous link (empty for the
 * first commit) and of everything that is stored of these events. Each field takes one line; no field contains a line
 * break.
 */
export function linkOf(
  previous: string,
  executionId: string,
  partition: number,
  events: Iterable<LinkedEvent>,
): string {
  let text = beginning(previous, executionId, partition);
  for (const { position, stored } of events) text += line(position, stored);
  return hash('sha256', text, 'hex');
}

function beginning(previous: string, executionId: string, partition: number): string {
  return `${RULE}\n${previous}\n${executionId}\n${partition}`;
}

function line(position: number, { version, at, type, commandId, data }: LinkedEvent['stored']): string {
  return `\n${version}\n${position}\n${at}\n${type}\n${commandId}\n${data}`;
}

/**
 * A stored event with its link. The link is null for an event without one, and empty when the link is on a later event
 * of the same commit.
 */
export interface ChainedEvent {
  readonly version: number;
  readonly partition: number;
  readonly position: number;
  readonly at: number;
  readonly type: string;
  readonly commandId: string;
  readonly data: JsonValue;
  readonly link: string | null;
}

/** A problem with an execution's events. */
export interface ChainProblem {
  /**
   * changed: the stored event is not the committed one. missing: there is no such event. moved: the event is at a place
   * where it cannot have been written.
   */
  readonly kind: 'changed' | 'missing' | 'moved';
  /** The events that may be affected. One commit has one link, so the problem may be in any of its events. */
  readonly fromVersion: number;
  readonly toVersion: number;
  readonly partition: number;
  /** The positions of the events `fromVersion` and `toVersion`, or of the neighbours of missing events. */
  readonly fromPosition: number;
  readonly toPosition: number;
  readonly message: string;
}

/** An event that has a link of its own. */
export interface Link {
  readonly version: number;
  readonly position: number;
  readonly link: string;
}

/** Walks an execution's events in the order of versions, and collects the problems of its chain. */
export class ChainWalk {
  readonly #executionId: string;
  readonly problems: ChainProblem[] = [];
  /** Number of events that a link covers, and of events that were stored before links existed. */
  linked = 0;
  unlinked = 0;
  events = 0;
  newest: Link | undefined;
  partition = 0;
  #digest: Hash | undefined;
  #removedFrom: number | undefined;
  #previous = '';
  /** The first event of the present commit. */
  #first: Place = NOWHERE;
  #last: Place = NOWHERE;
  /** A problem of the present commit was reported already. */
  #told = false;

  /** `removed`: the last event that was removed, with its link. Undefined when no event was removed. */
  constructor(
    executionId: string,
    removed?: {
      readonly version: number;
      readonly partition: number;
      readonly position: number;
      readonly link: string;
    },
  ) {
    this.#executionId = executionId;
    if (removed === undefined) return;
    this.#last = { version: removed.version, position: removed.position };
    this.#previous = removed.link;
    this.#removedFrom = removed.partition;
  }

  add(event: ChainedEvent): void {
    const { version, partition, position, link } = event;
    if (this.events === 0) this.partition = this.#removedFrom ?? partition;
    this.#checkPlace(event);
    this.events += 1;
    this.#last = { version, position };
    if (link === null) {
      // A link was removed from the end of a commit whose first events still have one.
      if (this.#digest !== undefined) this.#tell('changed', this.#first, this.#last, 'the link of this commit is gone');
      this.unlinked += 1;
      this.#endCommit('');
      return;
    }
    this.linked += 1;
    if (this.#digest === undefined) {
      this.#first = this.#last;
      this.#digest = createHash('sha256').update(beginning(this.#previous, this.#executionId, this.partition));
    }
    this.#digest.update(line(position, { ...event, data: canonicalJson(event.data as object) }));
    if (link === '') return;
    if (this.#digest.digest('hex') !== link && !this.#told) {
      this.#tell('changed', this.#first, this.#last, 'the stored events are not the committed ones');
    }
    this.newest = { version, position, link };
    this.#endCommit(link);
  }

  /** Ends the walk. `version`: the execution's newest version according to another source, if there is one. */
  end(version = 0): void {
    const { version: last, position } = this.#last;
    const next = { version: last + 1, position };
    if (version > last) {
      this.#tell('missing', next, { version, position }, `there is no event after version ${last}`);
    } else if (this.#digest !== undefined) {
      this.#tell('missing', next, next, `the rest of a commit after version ${last} is gone`);
    }
  }

  #checkPlace({ version, partition, position }: ChainedEvent): void {
    const { version: last, position: after } = this.#last;
    if (version !== last + 1) {
      const from = { version: last + 1, position: after };
      const to = { version: version - 1, position };
      this.#tell('missing', from, to, `version ${version} comes after version ${last}`);
    } else if (partition !== this.partition || position <= after) {
      const here = { version, position };
      const where = `partition ${partition}, position ${position}`;
      this.#tell('moved', here, here, `it is in ${where}, after position ${after} of partition ${this.partition}`);
    }
  }

  #tell(kind: ChainProblem['kind'], from: Place, to: Place, message: string): void {
    this.#told = true;
    this.problems.push({
      kind,
      fromVersion: from.version,
      toVersion: to.version,
      partition: this.partition,
      fromPosition: from.position,
      toPosition: to.position,
      message,
    });
  }

  #endCommit(link: string): void {
    this.#previous = link;
    this.#digest = undefined;
    this.#told = false;
  }
}

interface Place {
  readonly version: number;
  readonly position: number;
}

const NOWHERE: Place = { version: 0, position: 0 };
