import type { StepDefinition } from '../../config.js';
import type { FieldSchemas } from '../schema.js';
import { use } from '../schema.js';

/** A step whose work an agent does. This is the kind of a step that names no other kind. */
export const agentFields: FieldSchemas<Required<Pick<StepDefinition, 'agent'>>> = {
  agent: use(
    'Token',
    'A built-in agent or one of the tenant’s; required unless the step has an `approval`, a `wait`, a `signal`, a `choice`, a `route`, an `orchestration`, an `llm` or a `map`.',
  ),
};
