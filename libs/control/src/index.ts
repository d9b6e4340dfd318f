export { natsMicroservice, servePatternsLocally, tellDatabaseOutages, watchPatterns } from './patterns.js';
export { operationsController } from './serve-operations.js';
export type { Handlers } from './serve-operations.js';
export type { PatternsOptions } from './patterns.js';
export { SecretMissingError, secretSource } from './secret-source.js';
export type { ResolvedSecrets, SecretSource, SecretSourceOptions, SecretUser } from './secret-source.js';
