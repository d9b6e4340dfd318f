/** No sandbox thread can run the job now; try again later. Nothing is wrong with the job. */
export class SandboxBusyError extends Error {
  override readonly name = 'SandboxBusyError';
  constructor(why = 'Too many schemas, expressions and templates wait to be run.') {
    super(`${why} Try again in a moment.`);
  }
}

/** The sandbox was closed. */
export class SandboxClosedError extends Error {
  override readonly name = 'SandboxClosedError';
  constructor() {
    super('The sandbox is closed.');
  }
}
