export { eventually } from './eventually.js';
export type { EventuallyOptions } from './eventually.js';
export { seeded } from './seeded.js';
export type { Seeded } from './seeded.js';
export { createTestDatabase, LeakedConnectionsError, templateFor } from './test-database.js';
export type { DatabaseTemplate, TestDatabase } from './test-database.js';
export { startTestNats } from './test-nats.js';
export type { TestNats } from './test-nats.js';
