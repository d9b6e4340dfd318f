export { newAuthority } from './certificates.js';
export type { Certificate } from './certificates.js';
export { CLAIMS_UPDATE, NatsAccounts } from './nats-accounts.js';
export type { IssuedCredentials } from './nats-accounts.js';
export { writeDeployment } from './deployment.js';
export type { DeploymentOptions } from './deployment.js';
export { accountsIn, loadAccounts, writePoolCredentials, writeServiceCredentials } from './accounts-directory.js';
