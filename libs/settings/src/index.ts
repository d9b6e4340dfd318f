export { databaseUrlOf } from './database-url.js';
export { boolean, bytes, integer, list, milliseconds, oneOf, secret, text, url } from './fields.js';
export type { Field } from './fields.js';
export { loadSettings, SettingsError } from './load-settings.js';
export type { SettingsOf, SettingsProblem, SettingsSchema } from './load-settings.js';
export { natsAccessOf, natsCredentialsFile, natsServers } from './nats-url.js';
export { Secret } from './secret.js';
