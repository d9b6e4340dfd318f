export { SandboxBusyError, SandboxClosedError } from './errors.js';
export { expressionIn, expressionsOf } from './mapping.js';
export type { PlacedExpression } from './mapping.js';
export { Sandbox } from './sandbox.js';
export type {
  Evaluation,
  EvaluateRequest,
  SandboxFailure,
  SandboxOptions,
  ValidateJsonRequest,
  Validation,
} from './sandbox.js';
