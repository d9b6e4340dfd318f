export interface Line {
  (fields: object, message?: string): void;
  (message: string): void;
}

/** Where the lines of a log go. A logger of pino is one. */
export interface Log {
  readonly info: Line;
  readonly warn: Line;
  readonly error: Line;
}
