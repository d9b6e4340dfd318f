export { newAuthority, newServerCertificate } from './certificates.js';
export type { Certificate, ServerCertificateOptions } from './certificates.js';
export { CLAIMS_UPDATE, NatsAccounts, newAccountKeys } from './nats-accounts.js';
export type { AccountKeys, IssuedCredentials } from './nats-accounts.js';
export { writeDeployment } from './deployment.js';
export type { DeploymentOptions } from './deployment.js';
export { accountsIn, loadAccounts, writePoolCredentials, writeServiceCredentials } from './accounts-directory.js';
