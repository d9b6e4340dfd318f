import type { JsonObject, OrchestrationDefinition } from '@batuta/contracts';
import { storableJson } from '@batuta/event-store';
import type { ConfigCopies } from '../../store/port.js';
import { compile } from '../../domain/index.js';
import type { CompiledConfig } from '../../domain/index.js';
import type { ConfigService } from './ports.js';

type ConfigAnswer =
  | { readonly kind: 'found'; readonly config: CompiledConfig }
  | { readonly kind: 'missing' }
  | { readonly kind: 'unavailable'; readonly message: string };

/**
 * Compiled config versions. A version is copied into the engine's own schema before the first start that uses it. So an
 * execution can later be computed from its events and that copy alone.
 */
export class ConfigRegistry {
  readonly #copies: ConfigCopies;
  readonly #service: Pick<ConfigService, 'version'>;
  readonly #capacity: number;
  readonly #compiled = new Map<string, CompiledConfig>();
  readonly #loading = new Map<string, Promise<ConfigAnswer>>();

  constructor(copies: ConfigCopies, service: Pick<ConfigService, 'version'>, capacity = 1_000) {
    this.#copies = copies;
    this.#service = service;
    this.#capacity = capacity;
  }

  /** The version in memory. No I/O. */
  cached(configId: string, version: number): CompiledConfig | undefined {
    return this.#compiled.get(`${configId}/${version}`);
  }

  /** Never throws. A version that cannot be read or compiled is `unavailable`. */
  async find(configId: string, version: number): Promise<ConfigAnswer> {
    const key = `${configId}/${version}`;
    const known = this.#compiled.get(key);
    if (known !== undefined) return { kind: 'found', config: known };
    let loading = this.#loading.get(key);
    if (loading === undefined) {
      loading = this.#load(configId, version).finally(() => this.#loading.delete(key));
      this.#loading.set(key, loading);
    }
    return loading;
  }

  /** Keeps a version that the config service does not have: of an agent that is made of a model. Throws what the database reports. */
  async keep(configId: string, version: number, tenantId: string, definition: JsonObject): Promise<void> {
    if (this.cached(configId, version) !== undefined) return;
    await this.#copies.writeConfig(configId, version, tenantId, definition);
    this.#keep(configId, version, definition as unknown as OrchestrationDefinition);
  }

  async #load(configId: string, version: number): Promise<ConfigAnswer> {
    try {
      const copy = await this.#copies.readConfig(configId, version);
      if (copy !== undefined) return this.#keep(configId, version, copy as unknown as OrchestrationDefinition);
      const found = await this.#service.version(configId, version);
      if (found.kind !== 'found') return found;
      const definition = storableJson(found.definition as unknown as JsonObject);
      await this.#copies.writeConfig(configId, version, '', definition);
      return this.#keep(configId, version, definition as unknown as OrchestrationDefinition);
    } catch (error) {
      return { kind: 'unavailable', message: error instanceof Error ? error.message : String(error) };
    }
  }

  #keep(configId: string, version: number, definition: OrchestrationDefinition): ConfigAnswer {
    const config = compile(definition);
    if (this.#compiled.size >= this.#capacity) {
      const oldest = this.#compiled.keys().next();
      if (oldest.done !== true) this.#compiled.delete(oldest.value);
    }
    this.#compiled.set(`${configId}/${version}`, config);
    return { kind: 'found', config };
  }
}
