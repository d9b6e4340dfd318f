// Written by `npm run services` from services/services.json.

/** The services of the platform that connect to NATS. Each has its own user. */
export const NATS_SERVICES = ['gateway', 'config', 'execution', 'step-runner', 'notifications'] as const;
export type NatsService = (typeof NATS_SERVICES)[number];
