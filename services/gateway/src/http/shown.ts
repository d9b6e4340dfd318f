import { AgentSchema, ApiKeySchema, ConfigSchema, KnowledgeDocumentSchema, toUserJson } from '@batuta/contracts';
import type { Agent, ApiKey, Config, JsonObject, JsonValue, KnowledgeDocument } from '@batuta/contracts';
import { Problem } from './problem.js';

/** What the platform keeps beside a definition; shown with it, and left out when it comes back in a PUT. */
const KEPT_BESIDE = [
  'id',
  'tenant_id',
  'owner_id',
  'version',
  'is_active',
  'created_at',
  'updated_at',
  'deleted_at',
  'steps_count',
  'repeated',
] as const;

/** A config as users see it: the definition's fields beside id, version and times. */
export function shownConfig(config: Config | undefined): JsonObject {
  if (config === undefined) throw new Problem('not_found', 'There is no such config.');
  const { definition, ...beside } = toUserJson(ConfigSchema, config);
  return { ...beside, steps_count: config.definition.steps.length, ...(definition as JsonObject | undefined) };
}

/** The definition in a body that may be what a GET answered: the fields kept beside it are not the user's to set. */
export function definitionOf(body: JsonValue): JsonValue {
  const definition: JsonObject = { ...(body as JsonObject) };
  for (const field of KEPT_BESIDE) delete definition[field];
  return definition;
}

/** A merge patch of a definition. */
export const patchOf = (body: JsonValue): JsonValue => patchWithout(KEPT_BESIDE, body);

/** A patch. What is kept beside the document is not the user's to change, and who names it expects that it is. */
function patchWithout(kept: readonly string[], body: JsonValue): JsonValue {
  const errors = kept
    .filter((field) => Object.hasOwn(body as JsonObject, field))
    .map((field) => ({
      path: `/${field}`,
      message: `${field} is kept by the platform and cannot be changed`,
      code: 'read_only',
    }));
  if (errors.length === 0) return body;
  throw new Problem('validation_failed', 'The patch names fields that cannot be changed.', { errors });
}

/** What the platform keeps beside what a user says of an agent. */
const KEPT_OF_AGENT = ['tenant_id', 'built_in', 'revision', 'updated_at'] as const;

/** What is said of an agent in a body that may be what a GET answered. Its name may stand there too, but no other's. */
export function agentOf(name: string, body: JsonValue): JsonValue {
  const agent: JsonObject = { ...(body as JsonObject) };
  for (const field of KEPT_OF_AGENT) delete agent[field];
  if (agent['name'] === name) delete agent['name'];
  return agent;
}

/** A merge patch of what is said of an agent. */
export const agentPatchOf = (body: JsonValue): JsonValue => patchWithout(['name', ...KEPT_OF_AGENT], body);

export function shownAgent(agent: Agent | undefined): JsonObject {
  if (agent === undefined) throw new Problem('not_found', 'There is no such agent.');
  return toUserJson(AgentSchema, agent);
}

export function shownKey(key: ApiKey | undefined): JsonObject {
  if (key === undefined) throw new Problem('not_found', 'There is no such API key.');
  return toUserJson(ApiKeySchema, key);
}

export function shownDocument(document: KnowledgeDocument | undefined): JsonObject {
  if (document === undefined) throw new Problem('not_found', 'There is no such document.');
  return toUserJson(KnowledgeDocumentSchema, document);
}

/** A cursor as users see it: null when there is no further page. */
export const shownCursor = (cursor: string | undefined): string | null =>
  cursor === undefined || cursor === '' ? null : cursor;
