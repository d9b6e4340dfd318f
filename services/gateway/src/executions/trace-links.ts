/** Links to the pages of traces. */
export class TraceLinks {
  readonly #base: string | undefined;

  /** `base`: address of Jaeger's UI, or undefined. */
  constructor(base: string | undefined) {
    this.#base = base?.replace(/\/+$/, '');
  }

  /** Jaeger's page of a trace. */
  of(traceId: string): string | undefined {
    return this.#base === undefined ? undefined : `${this.#base}/trace/${traceId}`;
  }
}
