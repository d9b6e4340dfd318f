import type { NatsService } from '../nats-services.js';
import type { AnyOperation } from './define.js';
import { models } from './models.js';
import { retentionPolicies } from './retention-policies.js';
import { secrets } from './secrets.js';

/** Every operation of the platform, by feature. */
export const operations = { secrets, models, retentionPolicies } as const;

export const ALL_OPERATIONS: readonly AnyOperation[] = Object.values(operations).flatMap((feature) =>
  Object.values(feature as Readonly<Record<string, AnyOperation>>),
);

const subjectsOf = (some: readonly AnyOperation[]): readonly string[] => [
  ...new Set(some.map(({ subject }) => subject)),
];

/** Subjects on which a service is asked. */
export const subjectsServedBy = (service: NatsService): readonly string[] =>
  subjectsOf(ALL_OPERATIONS.filter((operation) => operation.service === service));

/** Subjects on which a service asks others. */
export const subjectsAskedBy = (service: NatsService): readonly string[] =>
  subjectsOf(ALL_OPERATIONS.filter(({ askedBy }) => askedBy.includes(service)));
