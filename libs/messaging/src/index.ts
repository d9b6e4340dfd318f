export {
  connectNats,
  endProcess,
  isConnected,
  natsClientOptions,
  newInbox,
  onLost,
  onReconnect,
  watchReach,
} from './connection.js';
export type { Reach } from './connection.js';
export { controlClientOver, createControlClient, DATABASE_OUTAGE } from './control.js';
export type { ControlClient } from './control.js';
export { RemoteError, UnavailableError } from './errors.js';
export { writeAtOnce } from './gather-writes.js';
export { JsonMessage, localHandler, serveLocally, textOf } from './local-delivery.js';
export type { Log } from './log.js';
export { onAbort } from './on-abort.js';
export { onTaken } from './on-taken.js';
export type { Delivery, DirectDelivery } from './pool-delivery.js';
export { requestMux } from './request-mux.js';
export type { Answer, RequestOutcome } from './request-mux.js';
export { isNoResponders, requestUntilAnswered } from './request.js';
export { ensureLifecycleStream, ensurePoolConsumers, ensureStepsStream } from './streams.js';
export { consumePool } from './work-queue.js';
export type { PoolConsumer } from './pool-options.js';
export { TenantTerms } from './tenant-terms.js';
