export { SandboxBusyError } from './errors.js';
export { Sandbox } from './sandbox.js';
export type {
  Evaluation,
  Rendering,
  RenderTemplateRequest,
  EvaluateRequest,
  ExpressionReading,
  SandboxFailure,
  SandboxOptions,
  ValidateJsonRequest,
  Validation,
} from './sandbox.js';
