/** Too many jobs wait for a sandbox thread; try again later. */
export class SandboxBusyError extends Error {
  override readonly name = 'SandboxBusyError';
  constructor() {
    super('Too many schemas, expressions and templates wait to be run. Try again in a moment.');
  }
}

/** The sandbox was closed. */
export class SandboxClosedError extends Error {
  override readonly name = 'SandboxClosedError';
  constructor() {
    super('The sandbox is closed.');
  }
}
