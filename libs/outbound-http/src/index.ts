export { addressPolicy } from './address-policy.js';
export type { AddressPolicy } from './address-policy.js';
export { AnswerTooLargeError, UnreadableAnswerError } from './content-encoding.js';
export { AddressRefusedError, addressRefusal, GuardedClient, InvalidCallError } from './guarded-client.js';
export type { CallAnswer, CallOptions, Resolve } from './guarded-client.js';
