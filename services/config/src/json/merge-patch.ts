import { isRecord } from '@batuta/documents';

/**
 * Applies a JSON merge patch (RFC 7396) to a document: fields of the patch replace those of the document, objects field
 * by field, and null removes a field. Does not change its arguments. It recurses as deep as the patch, so check the
 * depth first.
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
