/** An event in the form in which some version of Batuta stored it. */
export interface StoredEvent {
  readonly type: string;
  readonly data: unknown;
}

/**
 * Converts an event of one stored type to the next newer form, and returns an event that has this form already
 * unchanged. It may change the type; the upcasters of the new type then follow. Pure: the same stored event always
 * gives the same event.
 */
export type Upcaster = (event: StoredEvent) => StoredEvent;

/** A kind of streams. */
export interface StreamKind {
  readonly name: string;
  /** Every type of its events in their present form. No other kind has one of them. */
  readonly types: Iterable<string>;
  /** Oldest first, by the type under which the log holds the event. Never remove one, because logs are kept without limit. */
  readonly upcasters?: Readonly<Record<string, readonly Upcaster[]>>;
}

/**
 * An event that this version cannot read, because a newer version wrote it or because it is not an event at all. Its
 * stream must not be folded.
 */
export class UnreadableEventError extends Error {
  override readonly name = 'UnreadableEventError';

  constructor(
    /** The id of its stream. */
    readonly executionId: string,
    version: number,
    cause: unknown,
  ) {
    super(`event ${executionId}/${version} cannot be read: ${(cause as Error).message}`, { cause });
  }
}

/** The kinds of streams that a store holds. */
export class StreamKinds {
  readonly #kinds = new Map<string, string>();
  readonly #upcasters = new Map<string, readonly Upcaster[]>();

  /** Throws when two kinds have the same type of event. */
  constructor(kinds: readonly StreamKind[]) {
    for (const { name, types, upcasters = {} } of kinds) {
      for (const type of types) {
        const other = this.#kinds.get(type);
        if (other !== undefined) throw new Error(`the kinds ${other} and ${name} both have events of type ${type}`);
        this.#kinds.set(type, name);
      }
      for (const [type, steps] of Object.entries(upcasters)) this.#upcasters.set(type, steps);
    }
  }

  /** The kind of a stream with such an event. Undefined for a type that no kind has. */
  of(type: string): string | undefined {
    return this.#kinds.get(type);
  }

  /**
   * Converts a stored event to the present form. Most events have it already and are returned unchanged. Throws for a
   * type that no kind has, because this version must neither fold nor run its stream.
   */
  upcast(stored: StoredEvent): StoredEvent {
    let event = stored;
    for (let steps = this.#upcasters.get(event.type); steps !== undefined;) {
      const { type } = event;
      event = steps.reduce((before, step) => step(before), event);
      // A renamed event continues with the upcasters of its new type.
      steps = event.type === type ? undefined : this.#upcasters.get(event.type);
    }
    if (!this.#kinds.has(event.type)) {
      throw new Error(`event type ${event.type} is not one that this version of Batuta knows`);
    }
    return event;
  }
}
