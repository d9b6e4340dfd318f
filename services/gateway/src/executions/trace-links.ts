/** Where people see an execution's trace. */
export class TraceLinks {
  readonly #base: string | undefined;

  /** `base`: address of Jaeger's UI; undefined when there is none. */
  constructor(base: string | undefined) {
    this.#base = base?.replace(/\/+$/, '');
  }

  /** Jaeger's page of a trace. */
  of(traceId: string): string | undefined {
    return this.#base === undefined ? undefined : `${this.#base}/trace/${traceId}`;
  }
}
