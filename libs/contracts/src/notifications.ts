import type {
  AckInboxReplyJson,
  AckInboxRequestJson,
  CallbackChannelJson,
  CallbackDeliveryJson,
  CallbackJson,
  CallbackReplyJson,
  ChangeCallbackRequestJson,
  CreateCallbackRequestJson,
  DeliveryAttemptJson,
  DeliveryReplyJson,
  GetCallbackRequestJson,
  GetDeliveryRequestJson,
  InboxNoticeJson,
  InboxNotificationJson,
  ListCallbacksReplyJson,
  ListCallbacksRequestJson,
  ListDeliveriesReplyJson,
  ListDeliveriesRequestJson,
  ListInboxReplyJson,
  ListInboxRequestJson,
  RedriveDeliveryRequestJson,
  RotateSecretReplyJson,
  RotateSecretRequestJson,
} from './generated/batuta/notifications/v1/service_pb.js';
import type { Idempotency, Preconditions, Principal, Refusal } from './common.js';
import type { Override, Wire } from './wire.js';
import type { CallbackEvent, CallbackType } from './callback-schema.js';

export const DELIVERY_STATUSES = ['pending', 'sent', 'delivered', 'failed', 'retrying'] as const;
export type DeliveryStatus = (typeof DELIVERY_STATUSES)[number];

export type CallbackChannel = Override<
  Wire<CallbackChannelJson, Exclude<keyof CallbackChannelJson, 'type'>>,
  { type: CallbackType }
>;
export type Callback = Override<
  Wire<CallbackJson, 'configId' | 'executionId' | 'disabledReason'>,
  { events: CallbackEvent[]; channel: CallbackChannel; fallback: CallbackChannel[] }
>;
export type CallbackReply = Override<
  Wire<CallbackReplyJson, keyof CallbackReplyJson>,
  { callback?: Callback; refused?: Refusal }
>;
export type CreateCallbackRequest = Override<
  Wire<CreateCallbackRequestJson, 'idempotency'>,
  { principal: Principal; idempotency?: Idempotency | undefined }
>;
export type GetCallbackRequest = Override<Wire<GetCallbackRequestJson>, { principal: Principal }>;
export type ChangeCallbackRequest = Override<
  Wire<ChangeCallbackRequestJson, 'preconditions' | 'idempotency'>,
  { principal: Principal; preconditions?: Preconditions | undefined; idempotency?: Idempotency | undefined }
>;
export type ListCallbacksRequest = Override<
  Wire<ListCallbacksRequestJson, 'configId' | 'executionId' | 'limit' | 'cursor'>,
  { principal: Principal }
>;
export type ListCallbacksReply = Override<
  Wire<ListCallbacksReplyJson, 'nextCursor' | 'refused'>,
  { callbacks: Callback[]; refused?: Refusal }
>;
export type RotateSecretRequest = Override<
  Wire<RotateSecretRequestJson, 'callbackId' | 'idempotency'>,
  { principal: Principal; idempotency?: Idempotency | undefined }
>;
export type RotateSecretReply = Override<
  Wire<RotateSecretReplyJson, keyof RotateSecretReplyJson>,
  { refused?: Refusal }
>;
export type DeliveryAttempt = Override<
  Wire<DeliveryAttemptJson, 'durationMs' | 'responseStatus' | 'error'>,
  { outcome: 'running' | 'succeeded' | 'failed' | 'refused' | 'interrupted' }
>;
export type CallbackDelivery = Override<
  Wire<
    CallbackDeliveryJson,
    | 'callbackMethod'
    | 'lastRetryAt'
    | 'responseStatus'
    | 'responseBody'
    | 'sentAt'
    | 'completedAt'
    | 'callbackId'
    | 'error'
    | 'nextAttemptAt'
    | 'attempts'
  >,
  { status: DeliveryStatus; callbackType: CallbackType; eventType: CallbackEvent; attempts?: DeliveryAttempt[] }
>;
export type ListDeliveriesRequest = Override<
  Wire<ListDeliveriesRequestJson, Exclude<keyof ListDeliveriesRequestJson, 'principal'>>,
  { principal: Principal; status?: DeliveryStatus[] }
>;
export type ListDeliveriesReply = Override<
  Wire<ListDeliveriesReplyJson, 'nextCursor' | 'refused'>,
  { deliveries: CallbackDelivery[]; refused?: Refusal }
>;
export type GetDeliveryRequest = Override<Wire<GetDeliveryRequestJson>, { principal: Principal }>;
export type RedriveDeliveryRequest = Override<
  Wire<RedriveDeliveryRequestJson, 'idempotency'>,
  { principal: Principal; idempotency?: Idempotency | undefined }
>;
export type DeliveryReply = Override<
  Wire<DeliveryReplyJson, keyof DeliveryReplyJson>,
  { delivery?: CallbackDelivery; refused?: Refusal }
>;
export type InboxNotification = Override<Wire<InboxNotificationJson>, { eventType: CallbackEvent }>;
export type ListInboxRequest = Override<Wire<ListInboxRequestJson, 'limit' | 'afterId'>, { principal: Principal }>;
export type ListInboxReply = Override<
  Wire<ListInboxReplyJson, 'more' | 'refused'>,
  { notifications: InboxNotification[]; refused?: Refusal }
>;
export type AckInboxRequest = Override<
  Wire<AckInboxRequestJson, 'idempotency'>,
  { principal: Principal; idempotency?: Idempotency | undefined }
>;
export type AckInboxReply = Override<Wire<AckInboxReplyJson, 'refused' | 'repeated'>, { refused?: Refusal }>;
export type InboxNotice = Override<Wire<InboxNoticeJson, 'notification'>, { notification?: InboxNotification }>;
