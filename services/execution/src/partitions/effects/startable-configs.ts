import type { JsonObject, JsonValue, Refusal } from '@batuta/contracts';
import { storableJson } from '@batuta/event-store';
import type { ChunkConfig } from '../../domain/index.js';
import type { ConfigRegistry } from '../ports/config-registry.js';
import { misfit } from '../lane/misfit.js';
import type { Clock, ConfigService, Evaluator, NewestConfig } from '../ports/ports.js';

interface StartableConfigsParts {
  readonly clock: Clock;
  readonly configs: ConfigService;
  readonly registry: ConfigRegistry;
  readonly evaluator: Evaluator;
}

/** A start to repeat later, with the reason for the log. */
export interface Unavailable {
  readonly unavailable: string;
}

type StartableConfig =
  | { readonly config: { readonly configId: string; readonly version: number; readonly name: string } }
  | { readonly refusal: Refusal }
  | Unavailable;

/** How many newest versions are cached while they are leased. */
const MOST_NEWEST = 1_000;

/**
 * Configs that the engine itself starts executions of, for schedules and for steps: which version to use, and whether
 * an input fits.
 */
export class StartableConfigs {
  readonly #parts: StartableConfigsParts;
  readonly #newest = new Map<string, { readonly found: NewestConfig; readonly until: number }>();
  readonly #asked = new Map<string, Promise<NewestConfig>>();

  constructor(parts: StartableConfigsParts) {
    this.#parts = parts;
  }

  /** The version to start: the requested one, else the newest that the tenant may start. `asked` is a name or an id. */
  async resolve(tenantId: string, asked: string, version: number | undefined): Promise<StartableConfig> {
    const found = await this.#newestOf(tenantId, asked, version);
    if (found.kind === 'unavailable') return { unavailable: found.message };
    if (found.kind === 'refused') return { refusal: found.refusal };
    return this.version(found.configId, found.version, asked);
  }

  /** One version by its config's id. */
  async version(configId: string, version: number, called: string): Promise<StartableConfig> {
    const compiled = await this.#parts.registry.find(configId, version);
    if (compiled.kind === 'unavailable') return { unavailable: compiled.message };
    if (compiled.kind === 'missing') {
      return { refusal: { code: 'not_found', message: `There is no version ${version} of config ${called}.` } };
    }
    return { config: { configId, version, name: compiled.config.definition.name } };
  }

  /** The config of a chunk of a step with a map. It follows from the config with the step, and is kept from then on. */
  async chunk(tenantId: string, { configId, version, definition }: ChunkConfig): Promise<StartableConfig> {
    const stored = storableJson(definition as unknown as JsonObject);
    await this.#parts.registry.keep(configId, version, tenantId, stored);
    return { config: { configId, version, name: definition.name } };
  }

  /**
   * Why an input does not fit the config's input_schema. Undefined when it fits. `called` names the config in the
   * message.
   */
  async inputProblem(
    tenantId: string,
    { configId, version }: { readonly configId: string; readonly version: number },
    called: string,
    input: JsonValue | undefined,
  ): Promise<{ readonly refusal: Refusal } | Unavailable | undefined> {
    const compiled = await this.#parts.registry.find(configId, version);
    if (compiled.kind !== 'found') return { unavailable: 'the config cannot be read now' };
    const schema = compiled.config.definition.input_schema;
    if (schema === undefined) return undefined;
    const outcome = await this.#parts.evaluator.validate({ tenantId, schema, value: input ?? null });
    if ('unavailable' in outcome) return outcome;
    const problem = misfit('input', called, outcome);
    if (problem === undefined) return undefined;
    const message = storableJson(`The input does not fit the config's input_schema: ${problem}`).slice(0, 2_000);
    return { refusal: { code: 'input_invalid', message } };
  }

  /** During its lease one answer serves all callers. Concurrent callers share a request. */
  #newestOf(tenantId: string, config: string, pinned: number | undefined): Promise<NewestConfig> {
    const { clock, configs } = this.#parts;
    const key = `${tenantId}/${config}/${pinned ?? ''}`;
    const known = this.#newest.get(key);
    if (known !== undefined && known.until > clock.elapsed()) return Promise.resolve(known.found);
    const asked = this.#asked.get(key);
    if (asked !== undefined) return asked;
    const sentAt = clock.elapsed();
    const asking = configs
      .newest(tenantId, config, pinned)
      .then((found) => {
        if (found.kind === 'found' && found.leaseMs > 0) {
          if (this.#newest.size >= MOST_NEWEST) this.#newest.clear();
          this.#newest.set(key, { found, until: sentAt + found.leaseMs });
        }
        return found;
      })
      .finally(() => this.#asked.delete(key));
    this.#asked.set(key, asking);
    return asking;
  }
}
