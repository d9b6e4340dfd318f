/** WebSocket close codes (RFC 6455, 7.4). Codes 4xxx are Batuta's: 4000 + the HTTP status of the same error. */
export const CLOSE = {
  finished: 1000,
  goingAway: 1001,
  internal: 1011,
  /** The client reads too slowly. It can reconnect with `from_version`. */
  tooSlow: 4008,
  unauthenticated: 4401,
  firstMessageLate: 4408,
} as const;

/** The close code for an HTTP status. */
export const closeCodeOf = (status: number): number =>
  status >= 500 && status !== 503 ? CLOSE.internal : 4000 + status;
