import type { JsonObject, JsonValue } from '@bufbuild/protobuf';
import type {
  BudgetJson,
  FailureJson,
  PrincipalJson,
  RefusalJson,
  ViolationJson,
} from './generated/batuta/common/v1/common_pb.js';
import type { RefusalCode, Role } from './codes.js';
import type { Override, Wire } from './wire.js';

export type { JsonObject, JsonValue };

export type Failure = Wire<FailureJson, 'details' | 'trace' | 'stepId' | 'stepName' | 'agent' | 'attempts' | 'summary'>;
/** What an execution may spend; an absent limit is none. */
export type Budget = Wire<BudgetJson, keyof BudgetJson>;
export type Violation = Wire<ViolationJson>;
export type Refusal = Override<
  Wire<RefusalJson, 'violations' | 'details'>,
  { code: RefusalCode; violations?: Violation[] }
>;
export type Principal = Override<Wire<PrincipalJson>, { role: Role }>;
