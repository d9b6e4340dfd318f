import type { JsonValue } from '@bufbuild/protobuf';
import type { Preconditions, Principal, Refusal } from './common.js';
import type {
  ListRetentionPoliciesReplyJson,
  ListRetentionPoliciesRequestJson,
  PutRetentionPolicyRequestJson,
  RetentionPolicyJson,
  RetentionPolicyReplyJson,
  RetentionPolicyRequestJson,
} from './generated/batuta/execution/v1/retention_pb.js';
import type { Override, Wire } from './wire.js';

/** The final statuses of an execution. */
export const ENDED_STATUSES = ['completed', 'failed', 'cancelled'] as const;
export type EndedStatus = (typeof ENDED_STATUSES)[number];

/** The action on an execution that matches a policy. */
export const RETENTION_ACTIONS = ['delete', 'archive'] as const;
export type RetentionAction = (typeof RETENTION_ACTIONS)[number];

export const RETENTION_LIMITS = {
  /** Maximum number of policies of a tenant. */
  policies: 100,
  /** A hundred years. */
  olderThanMs: 3_155_760_000_000,
  keepNewest: 1_000_000,
} as const;

export type RetentionPolicy = Override<
  Wire<RetentionPolicyJson, 'configId' | 'statuses' | 'olderThanMs' | 'keepNewest'>,
  { statuses?: EndedStatus[]; action: RetentionAction }
>;
export type PutRetentionPolicyRequest = Override<
  Wire<PutRetentionPolicyRequestJson, 'preconditions'>,
  { principal: Principal; body: JsonValue; preconditions?: Preconditions | undefined }
>;
export type RetentionPolicyRequest = Override<
  Wire<RetentionPolicyRequestJson, 'preconditions'>,
  { principal: Principal; preconditions?: Preconditions | undefined }
>;
export type RetentionPolicyReply = Override<
  Wire<RetentionPolicyReplyJson, keyof RetentionPolicyReplyJson>,
  { policy?: RetentionPolicy; refused?: Refusal }
>;
export type ListRetentionPoliciesRequest = Override<Wire<ListRetentionPoliciesRequestJson>, { principal: Principal }>;
export type ListRetentionPoliciesReply = Override<
  Wire<ListRetentionPoliciesReplyJson, keyof ListRetentionPoliciesReplyJson>,
  { policies: RetentionPolicy[]; refused?: Refusal }
>;
