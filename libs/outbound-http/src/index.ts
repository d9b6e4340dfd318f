export { addressPolicy } from './address-policy.js';
export type { AddressPolicy } from './address-policy.js';
export {
  AddressRefusedError,
  addressRefusal,
  AnswerTooLargeError,
  GuardedClient,
  InvalidCallError,
} from './guarded-client.js';
export type { CallAnswer, CallOptions, Resolve } from './guarded-client.js';
