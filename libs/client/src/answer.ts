/** An answer with its status and headers. */
export interface FullAnswer<T> {
  readonly data: T;
  readonly status: number;
  readonly headers: Headers;
  /** For `ifMatch` and `ifNoneMatch`. */
  readonly etag: string | undefined;
  readonly requestId: string | undefined;
}

/** The answer of a running call. `await` gives the body; `.full()` also gives the status and headers. */
export class Answer<T> implements PromiseLike<T> {
  readonly #full: Promise<FullAnswer<T>>;

  constructor(full: Promise<FullAnswer<T>>) {
    this.#full = full;
  }

  /** @throws the same errors as awaiting it. */
  full(): Promise<FullAnswer<T>> {
    return this.#full;
  }

  // oxlint-disable-next-line unicorn/no-thenable -- awaiting a call is how its body is read
  then<A = T, B = never>(
    onFulfilled?: ((value: T) => A | PromiseLike<A>) | null,
    onRejected?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#full.then(({ data }) => data).then(onFulfilled, onRejected);
  }

  catch<B = never>(onRejected: (reason: unknown) => B | PromiseLike<B>): Promise<T | B> {
    return this.then(undefined, onRejected);
  }

  finally(onFinally: () => void): Promise<T> {
    return this.#full.then(({ data }) => data).finally(onFinally);
  }
}
