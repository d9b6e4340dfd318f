import { ApiKeySchema, ConfigSchema, KnowledgeDocumentSchema, toUserJson } from '@batuta/contracts';
import type { ApiKey, Config, JsonObject, KnowledgeDocument } from '@batuta/contracts';
import { Problem } from './problem.js';

/** A config in the form of the API: the definition's fields together with id, version and times. */
export function shownConfig(config: Config | undefined): JsonObject {
  if (config === undefined) throw new Problem('not_found', 'There is no such config.');
  const { definition, ...beside } = toUserJson(ConfigSchema, config);
  return { ...beside, steps_count: config.definition.steps.length, ...(definition as JsonObject | undefined) };
}

export function shownKey(key: ApiKey | undefined): JsonObject {
  if (key === undefined) throw new Problem('not_found', 'There is no such API key.');
  return toUserJson(ApiKeySchema, key);
}

export function shownDocument(document: KnowledgeDocument | undefined): JsonObject {
  if (document === undefined) throw new Problem('not_found', 'There is no such document.');
  return toUserJson(KnowledgeDocumentSchema, document);
}

/** A cursor in the form of the API: null when there is no further page. */
export const shownCursor = (cursor: string | undefined): string | null =>
  cursor === undefined || cursor === '' ? null : cursor;
