export { addressPolicy } from './address-policy.js';
export type { AddressPolicy } from './address-policy.js';
export { AnswerTooLargeError, UnreadableAnswerError } from './content-encoding.js';
export { GateBusyError } from './fair-gate.js';
export { addressRefusal, GuardedClient, InvalidCallError, networkReason } from './guarded-client.js';
export type { CallAnswer, CallOptions, OpenAnswer } from './guarded-client.js';
export { HostNames, PLATFORM_TENANT } from './host-names.js';
export type { HostNamesOptions, Resolve } from './host-names.js';
