import type { JsonValue } from '@bufbuild/protobuf';
import type { Principal, Refusal } from './common.js';
import type {
  BeginPauseRequestJson,
  EndPauseRequestJson,
  ListPausesReplyJson,
  ListPausesRequestJson,
  PauseJson,
  PauseReplyJson,
} from './generated/batuta/execution/v1/pauses_pb.js';
import type { Override, Wire } from './wire.js';

/** What can be paused. */
export const PAUSE_KINDS = ['tenant', 'agent', 'pool'] as const;
export type PauseKind = (typeof PAUSE_KINDS)[number];

export const PAUSE_LIMITS = {
  /** Characters of a reason. */
  reason: 1_000,
  /** Maximum number of agents and pools that a tenant has paused. */
  pauses: 1_000,
} as const;

export type Pause = Override<Wire<PauseJson, 'tenantId'>, { kind: PauseKind }>;
export type ListPausesRequest = Override<Wire<ListPausesRequestJson>, { principal: Principal }>;
export type ListPausesReply = Override<
  Wire<ListPausesReplyJson, keyof ListPausesReplyJson>,
  { pauses: Pause[]; refused?: Refusal }
>;
export type BeginPauseRequest = Override<Wire<BeginPauseRequestJson>, { principal: Principal; body: JsonValue }>;
export type EndPauseRequest = Override<Wire<EndPauseRequestJson>, { principal: Principal }>;
export type PauseReply = Override<Wire<PauseReplyJson, keyof PauseReplyJson>, { pause?: Pause; refused?: Refusal }>;
