import { operations } from '@batuta/contracts';
import type { GetVersionReply, JsonValue, OrchestrationDefinition } from '@batuta/contracts';
import { SandboxBusyError } from '@batuta/sandbox';
import type { Sandbox } from '@batuta/sandbox';
import { Problem, accepted } from '../http/problem.js';
import type { Backend } from '../backend/backend.js';
import { BoundedCache } from '../caches/bounded-cache.js';

/** The JSON Schemas of a config version, which never change. */
interface Schemas {
  readonly input: JsonValue | undefined;
  /** For the data of approvals, by step id. */
  readonly approvals: ReadonlyMap<string, JsonValue>;
  /** For the payloads of signals, by the signal's name. */
  readonly signals: ReadonlyMap<string, JsonValue>;
}

/** A value from a user, and the config version whose schema it must fit. */
export interface Checked {
  readonly tenantId: string;
  readonly configId: string;
  readonly version: number;
  readonly value: JsonValue;
}

function schemasIn(definition: OrchestrationDefinition | undefined): Schemas {
  const approvals = new Map<string, JsonValue>();
  const signals = new Map<string, JsonValue>();
  for (const { id, approval, signal } of definition?.steps ?? []) {
    if (approval?.schema !== undefined) approvals.set(id, approval.schema);
    if (signal?.schema !== undefined) signals.set(signal.name, signal.schema);
  }
  return { input: definition?.input_schema, approvals, signals };
}

/** Checks values that users send to executions against the JSON Schemas of their configs. */
export class ConfigSchemas {
  readonly #backend: Backend;
  readonly #sandbox: Sandbox;
  /** By config id and version. It stores the promise, so that concurrent requests share one fetch. */
  readonly #schemas = new BoundedCache<string, Promise<Schemas>>(500);

  constructor(backend: Backend, sandbox: Sandbox) {
    this.#backend = backend;
    this.#sandbox = sandbox;
  }

  /** @throws Problem input_invalid, unavailable. */
  async checkInput(checked: Checked): Promise<void> {
    const { input } = await this.#of(checked);
    if (input === undefined) return;
    await this.#check(input, checked, 'input', `The input does not fit the config's input_schema`);
  }

  /**
   * Accepts any data for a step that is not an approval or has no schema. @throws Problem input_invalid, unavailable.
   */
  async checkDecision(stepId: string, checked: Checked): Promise<void> {
    const schema = (await this.#of(checked)).approvals.get(stepId);
    if (schema === undefined) return;
    await this.#check(schema, checked, 'data', `The data do not fit the schema of the approval ${stepId}`);
  }

  /**
   * Accepts any payload for a signal without a schema, or that no step waits for. @throws Problem input_invalid,
   * unavailable.
   */
  async checkSignal(name: string, checked: Checked): Promise<void> {
    const schema = (await this.#of(checked)).signals.get(name);
    if (schema === undefined) return;
    await this.#check(schema, checked, 'payload', `The payload does not fit the schema of the signal ${name}`);
  }

  async #check(schema: JsonValue, { tenantId, version, value }: Checked, field: string, what: string): Promise<void> {
    const validation = await this.#sandbox.validateJson({ tenantId, schema, value }).catch((error: unknown) => {
      if (error instanceof SandboxBusyError) {
        throw new Problem('unavailable', 'Too many inputs are being checked; try again.');
      }
      throw error;
    });
    if (validation.ok && validation.violations.length === 0) return;
    const detail = `${what} (version ${version})`;
    if (!validation.ok) {
      const code = validation.failure.code === 'sandbox_failed' ? 'unavailable' : 'input_invalid';
      throw new Problem(code, `${detail}: ${validation.failure.message}.`);
    }
    throw new Problem('input_invalid', `${detail}.`, {
      errors: validation.violations.map((violation) => ({ ...violation, path: `/${field}${violation.path}` })),
    });
  }

  #of({ configId, version }: Checked): Promise<Schemas> {
    const key = `${configId}\n${version}`;
    const known = this.#schemas.get(key);
    if (known !== undefined) return known;
    const asked = this.#backend
      .ask<GetVersionReply>(operations.configs.definition.subject, { configId, version })
      .then((reply) => schemasIn(accepted(reply).definition));
    this.#schemas.set(key, asked);
    // The caller reports the failure, and a failure must not be cached.
    asked.catch(() => this.#schemas.delete(key));
    return asked;
  }
}
