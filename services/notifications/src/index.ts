export { NotificationsModule } from './app.module.js';
export type { NotificationsModuleOptions } from './app.module.js';
export { reencryptCallbacks } from './callbacks/reencrypt.js';
export { migrateAsOwner } from './database/data-source.js';
export { drainMsOf, loadNotificationsSettings } from './settings.js';
export type { NotificationsSettings } from './settings.js';
export { startNotifications } from './start-notifications.js';
export type { RunningNotifications, StartNotificationsOptions } from './start-notifications.js';
