/** The local servers cannot be started or reached. The message says what to do about it. */
export class LocalStackError extends Error {
  override readonly name: string = 'LocalStackError';
  /** A program shows the message without a stack trace (see `mistakeOf` of @batuta/program). */
  readonly mistake = true;
}

/** Another live process uses the same data directory. */
export class LocalStackBusyError extends LocalStackError {
  override readonly name = 'LocalStackBusyError';

  constructor(
    readonly dataDir: string,
    /** The process that holds the directory. */
    readonly pid: number,
    readonly startedAt: string,
    readonly postgresPort: number | undefined,
    readonly natsPort: number | undefined,
  ) {
    const servers = [
      ...(postgresPort === undefined ? [] : [`PostgreSQL on 127.0.0.1:${postgresPort}`]),
      ...(natsPort === undefined ? [] : [`NATS on 127.0.0.1:${natsPort}`]),
    ].join(', ');
    super(
      `Batuta already runs here: process ${pid}, since ${startedAt}, uses ${dataDir}${servers && ` (${servers})`}. ` +
        'Stop it first, or use another data directory.',
    );
  }
}
