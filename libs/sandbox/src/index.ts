export { SandboxBusyError, SandboxClosedError } from './errors.js';
export { liquidEngine } from './liquid.js';
export type { LiquidLimits } from './liquid.js';
export { Sandbox } from './sandbox.js';
export type {
  Evaluation,
  EvaluateRequest,
  SandboxFailure,
  SandboxOptions,
  ValidateJsonRequest,
  Validation,
} from './sandbox.js';
