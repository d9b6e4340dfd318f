export { addressPolicy } from './address-policy.js';
export { AnswerTooLargeError, UnreadableAnswerError } from './content-encoding.js';
export { GateBusyError } from '@batuta/collections';
export { addressRefusal, GuardedClient, InvalidCallError, networkReason } from './guarded-client.js';
export type { CallAnswer, CallOptions, OpenAnswer } from './guarded-client.js';
export { HostNames } from './host-names.js';
export type { Resolve } from './host-names.js';
