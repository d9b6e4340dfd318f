export interface Line {
  (fields: object, message?: string): void;
  (message: string): void;
}

/** Where log lines go. A pino logger satisfies it. */
export interface Log {
  readonly info: Line;
  readonly warn: Line;
  readonly error: Line;
}
