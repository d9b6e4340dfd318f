export { NatsAccounts, newAccountKeys } from './nats-accounts.js';
export type { AccountKeys, IssuedCredentials } from './nats-accounts.js';
export { loadAccounts, writePoolCredentials, writeServiceCredentials } from './accounts-directory.js';
