export { ConfigModule } from './app.module.js';
export type { ConfigModuleOptions } from './app.module.js';
export { migrateAsOwner } from './database/data-source.js';
export { loadConfigSettings } from './settings.js';
export type { ConfigSettings } from './settings.js';
export { startConfig } from './start-config.js';
export type { RunningConfig, StartConfigOptions } from './start-config.js';
export { createAdminKey } from './tenants/bootstrap.js';
export { hashKey } from './tenants/key-secret.js';
