import type { Violation } from '@batuta/contracts';
import type { ExpressionReading, SandboxFailure } from '@batuta/sandbox';

/** What validation asks others for. */
export interface ValidationPorts {
  /** The largest `timeout_ms` of a step; the shape's own limit when absent. */
  readonly longestStepMs?: number;
  /** Of the given names, those in the tenant's registry. */
  registeredAgents(names: readonly string[]): Promise<ReadonlySet<string>>;
  /** All names in the tenant's registry; asked for when a config names an agent that is not there. */
  agentNames(): Promise<readonly string[]>;
  /** Of the given names and ids, those of configs that the tenant may start, and whether each is global. */
  knownConfigs(names: readonly string[]): Promise<ReadonlyMap<string, { readonly isGlobal: boolean }>>;
  /** Names of configs that the tenant may start, the newest first; asked for when a config names one that is not there. */
  configNames(): Promise<readonly string[]>;
  /** Of the given names of the tenant's registry, those of agents whose workers are the platform's own. */
  agentsWithSecrets(names: readonly string[]): Promise<ReadonlySet<string>>;
  /** Of the given names, those of the tenant's secrets; and which one may have been meant instead of another. */
  knownSecrets(
    names: readonly string[],
  ): Promise<{ readonly known: ReadonlySet<string>; readonly meant: ReadonlyMap<string, string> }>;
  /** Mistakes of a JSON Schema, paths relative to it. */
  checkSchema(schema: unknown): Promise<readonly Violation[]>;
  /** What each JSONata expression reads, or what is wrong with it; in the order given. */
  parseExpressions(expressions: readonly string[]): Promise<readonly ExpressionReading[]>;
  /** What is wrong with each Liquid template, in the order given. */
  parseTemplates(templates: readonly string[]): Promise<readonly (SandboxFailure | undefined)[]>;
}
