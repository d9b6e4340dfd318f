import { Sandbox } from '@batuta/sandbox';
import { Injectable } from '@nestjs/common';
import { KnownAgents } from '../agents/known-agents.js';
import { ConfigRows } from '../database/data-source.js';
import { Secrets } from '../secrets/secrets.js';
import { CONFIG_NAMES, KNOWN_CONFIGS } from './resolve-sql.js';
import { validateDefinition } from './validate-definition.js';
import type { DefinitionValidation } from './validate-definition.js';

/** The largest `timeout_ms` of a step, by setting. */
export class LongestStep {
  constructor(readonly ms: number) {}
}

/** Checks what users write of steps against all that their tenant has. */
@Injectable()
export class DefinitionCheck {
  readonly #rows: ConfigRows;
  readonly #sandbox: Sandbox;
  readonly #agents: KnownAgents;
  readonly #secrets: Secrets;
  readonly #longestStep: LongestStep;

  constructor(rows: ConfigRows, sandbox: Sandbox, agents: KnownAgents, secrets: Secrets, longestStep: LongestStep) {
    this.#rows = rows;
    this.#sandbox = sandbox;
    this.#agents = agents;
    this.#secrets = secrets;
    this.#longestStep = longestStep;
  }

  /** Throws `SandboxBusyError` when nobody can check it now. */
  check(tenantId: string, document: unknown): Promise<DefinitionValidation> {
    const sandbox = this.#sandbox;
    return validateDefinition(document, {
      longestStepMs: this.#longestStep.ms,
      registeredAgents: (names) => this.#agents.existing(tenantId, names),
      agentNames: () => this.#agents.names(tenantId),
      knownConfigs: (names) => this.#knownConfigs(tenantId, names),
      configNames: () => this.#configNames(tenantId),
      agentsWithSecrets: (names) => this.#agents.ofPlatformPools(tenantId, names),
      knownSecrets: async (names) => {
        const { known, meant } = await this.#secrets.known(tenantId, names);
        return { known: new Set(known), meant: new Map(Object.entries(meant)) };
      },
      modelNames: () => this.#modelNames(tenantId),
      checkSchema: (schema) => sandbox.checkSchema(schema, { timeoutMs: 2_000, tenantId }),
      parseExpressions: (expressions) => sandbox.parseExpressions(expressions, { timeoutMs: 5_000, tenantId }),
      parseTemplates: (templates) => sandbox.parseTemplates(templates, { timeoutMs: 5_000, tenantId }),
    });
  }

  /** Of names and ids, those of configs that the tenant may start; its own come before global ones. */
  async #knownConfigs(
    tenantId: string,
    asked: readonly string[],
  ): Promise<ReadonlyMap<string, { readonly isGlobal: boolean }>> {
    const rows = await this.#rows
      .of(tenantId)
      .manager.query<{ asked: string; is_global: boolean }[]>(KNOWN_CONFIGS, [asked, tenantId]);
    return new Map(rows.map((row) => [row.asked, { isGlobal: row.is_global }]));
  }

  async #modelNames(tenantId: string): Promise<readonly string[]> {
    const rows = await this.#rows
      .of(tenantId)
      .manager.query<{ name: string }[]>('SELECT name FROM config.models WHERE tenant_id = $1', [tenantId]);
    return rows.map(({ name }) => name);
  }

  async #configNames(tenantId: string): Promise<readonly string[]> {
    const rows = await this.#rows.of(tenantId).manager.query<{ name: string }[]>(CONFIG_NAMES, [tenantId]);
    return rows.map(({ name }) => name);
  }
}
