export { connectNats, isConnected, natsClientOptions, onReconnect } from './connection.js';
export type { NatsConnectionOptions } from './connection.js';
export { controlClientOver, createControlClient, natsMicroservice } from './control.js';
export type { ControlClient, ControlRequestOptions } from './control.js';
export { RemoteError, UnavailableError } from './errors.js';
export { isNoResponders, isTimeout, requestUntilAnswered } from './request.js';
export type { ResendOptions } from './request.js';
export { ensureLifecycleStream, ensurePoolConsumers, ensureStepsStream } from './streams.js';
export type { PoolConsumerSettings, StreamSettings } from './streams.js';
