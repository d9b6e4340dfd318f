import type { StepDefinition } from '../../config.js';
import type { FieldSchemas } from '../schema.js';
import { use } from '../schema.js';

/** A step that an agent does: the kind that a step has without saying so. */
export const agentFields: FieldSchemas<Required<Pick<StepDefinition, 'agent'>>> = {
  agent: use(
    'Token',
    'A built-in agent or one of the tenant’s; required unless the step has an `approval`, a `wait`, a `signal`, a `choice`, an `orchestration` or an `llm`.',
  ),
};
