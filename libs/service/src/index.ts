export { IdempotencyKeys } from './idempotency-keys.js';
export type { Queries } from './idempotency-keys.js';
export { migrateInTurns } from './migrate-in-turns.js';
export { runOnce } from './run-once.js';
export type { RunOnceOptions } from './run-once.js';
export { runService } from './run-service.js';
export { startWatchdog } from './watchdog.js';
export type { RunServiceOptions, RunningService } from './run-service.js';
export { SecretCipher, SecretCipherError, encryptionKeysOf } from './secret-cipher.js';
