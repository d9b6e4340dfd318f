export { SandboxBusyError } from './errors.js';
export { Sandbox } from './sandbox.js';
export type { Evaluation, ExpressionReading, SandboxFailure } from './sandbox.js';
