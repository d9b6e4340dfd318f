export { LocalStackBusyError, LocalStackError } from './errors.js';
export { prepareDataDirectory, startLocalStack } from './local-stack.js';
export type { LocalStack, LocalStackOptions } from './local-stack.js';
export type { StackLogger } from './logger.js';
export { startNats } from './nats/nats-server.js';
export type { NatsOptions, NatsServer } from './nats/nats-server.js';
export { freePort, portOr } from './port.js';
export { startPostgres } from './postgres/postgres-server.js';
export type { PostgresOptions, PostgresServer } from './postgres/postgres-server.js';
