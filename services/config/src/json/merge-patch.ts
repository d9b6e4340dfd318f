import { isRecord } from '@batuta/documents';

/**
 * A document changed by a JSON merge patch (RFC 7396): fields of the patch replace those of the document, objects field by
 * field, and null takes a field away. Neither argument is changed. Recurses as deep as the patch, so check its depth before.
 */
export function mergePatch(target: unknown, patch: unknown): unknown {
  if (!isRecord(patch)) return patch;
  const merged = new Map<string, unknown>(isRecord(target) ? Object.entries(target) : []);
  for (const [name, value] of Object.entries(patch)) {
    if (value === null) merged.delete(name);
    else merged.set(name, mergePatch(merged.get(name), value));
  }
  return Object.fromEntries(merged);
}
