import type { Violation } from '@batuta/contracts';
import type { ExpressionReading, SandboxFailure } from '@batuta/sandbox';

/** The lookups that validation needs. */
export interface ValidationPorts {
  /** The largest `timeout_ms` of a step. When absent, the schema's own limit applies. */
  readonly longestStepMs?: number;
  /** Which of the given names are in the tenant's registry. */
  registeredAgents(names: readonly string[]): Promise<ReadonlySet<string>>;
  /** All names in the tenant's registry. Called when a config names an unknown agent. */
  agentNames(): Promise<readonly string[]>;
  /** Which of the given names and ids are configs that the tenant may start, and whether each is global. */
  knownConfigs(names: readonly string[]): Promise<ReadonlyMap<string, { readonly isGlobal: boolean }>>;
  /** Names of configs that the tenant may start, newest first. Called when a config names an unknown one. */
  configNames(): Promise<readonly string[]>;
  /** Which of the given registry names are agents whose workers belong to the platform. */
  agentsWithSecrets(names: readonly string[]): Promise<ReadonlySet<string>>;
  /** Which of the given names are secrets of the tenant, and which existing name is similar to an unknown one. */
  knownSecrets(
    names: readonly string[],
  ): Promise<{ readonly known: ReadonlySet<string>; readonly meant: ReadonlyMap<string, string> }>;
  /** All names of the tenant's models. Called when a config names one. */
  modelNames(): Promise<readonly string[]>;
  /** Mistakes of a JSON Schema, with paths relative to it. */
  checkSchema(schema: unknown): Promise<readonly Violation[]>;
  /** The names in each JSONata expression, or its mistake, in the given order. */
  parseExpressions(expressions: readonly string[]): Promise<readonly ExpressionReading[]>;
  /** The mistake of each Liquid template, in the given order. */
  parseTemplates(templates: readonly string[]): Promise<readonly (SandboxFailure | undefined)[]>;
}
