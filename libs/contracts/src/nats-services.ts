/** The services of the platform that connect to NATS; each is a user of it. */
export const NATS_SERVICES = ['gateway', 'config', 'execution', 'step-runner', 'notifications'] as const;
export type NatsService = (typeof NATS_SERVICES)[number];
