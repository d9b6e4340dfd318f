export { natsMicroservice, servePatternsLocally, serveRequests, watchPatterns } from './patterns.js';
export { serveOperation } from './serve-plainly.js';
export { operationsController } from './serve-operations.js';
export { SecretMissingError, secretSource } from './secret-source.js';
export type { SecretSource } from './secret-source.js';
