import type { JsonObject, JsonValue } from '@bufbuild/protobuf';
import type {
  BudgetJson,
  DependencyJson,
  FailureJson,
  IdempotencyJson,
  ParentLinkJson,
  PreconditionsJson,
  PrincipalJson,
  RefusalJson,
  TagConditionJson,
  ViolationJson,
} from './generated/batuta/common/v1/common_pb.js';
import type { DependencyOn, RefusalCode, Role } from './codes.js';
import type { Override, Wire } from './wire.js';

export type { JsonObject, JsonValue };

export type Failure = Wire<FailureJson, 'details' | 'trace' | 'stepId' | 'stepName' | 'agent' | 'attempts' | 'summary'>;
/** The maximum that an execution may spend. An absent field is no limit. */
export type Budget = Wire<BudgetJson, keyof BudgetJson>;
/** The execution that has another one as a step. */
export type ParentLink = Wire<ParentLinkJson>;
/** Another execution whose end is waited for. */
export type Dependency = Override<Wire<DependencyJson, 'process'>, { on: DependencyOn }>;
export type Violation = Wire<ViolationJson>;
export type Refusal = Override<
  Wire<RefusalJson, 'violations' | 'details'>,
  { code: RefusalCode; violations?: Violation[] }
>;
export type Principal = Override<Wire<PrincipalJson>, { role: Role }>;
export type Preconditions = Override<
  Wire<PreconditionsJson, keyof PreconditionsJson>,
  { ifMatch?: TagCondition | undefined; ifNoneMatch?: TagCondition | undefined }
>;
/** `any` corresponds to `*`. */
export type TagCondition = Wire<TagConditionJson, keyof TagConditionJson>;
export type Idempotency = Wire<IdempotencyJson>;
