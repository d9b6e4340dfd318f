export { CLAIMS_UPDATE, NatsAccounts, newAccountKeys } from './nats-accounts.js';
export type { AccountKeys, IssuedCredentials } from './nats-accounts.js';
export { accountsIn, loadAccounts, writePoolCredentials, writeServiceCredentials } from './accounts-directory.js';
