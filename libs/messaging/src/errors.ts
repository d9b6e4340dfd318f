/** The other side did not answer: nobody subscribes, or the time ran out. Trying again may help. */
export class UnavailableError extends Error {
  override readonly name = 'UnavailableError';
  readonly code = 'unavailable';
}

/**
 * The other side's handler threw, because of a bug or an outage. Expected refusals are values of the reply and never
 * this error.
 */
export class RemoteError extends Error {
  override readonly name = 'RemoteError';

  constructor(
    readonly pattern: string,
    readonly remote: unknown,
  ) {
    super(`${pattern} failed: ${remoteMessage(remote)}`);
  }
}

function remoteMessage(remote: unknown): string {
  if (typeof remote === 'string') return remote;
  if (typeof remote === 'object' && remote !== null && 'message' in remote) return String(remote.message);
  return 'no reason given';
}
