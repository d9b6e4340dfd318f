import { createHash } from 'node:crypto';
import type { Refusal } from './common.js';
import type { Preconditions } from './common.js';

/**
 * The entity tag of a resource, without quotes. It changes whenever something in the shown resource changes. A resource
 * that was deleted and created again under the same name has a different tag, because its times or id are shown.
 * `revision` only makes the tag readable for people.
 */
export function etagOf(shown: object, revision?: number): string {
  const hash = createHash('sha256').update(JSON.stringify(shown), 'utf8').digest('base64url').slice(0, 16);
  return revision === undefined ? hash : `${revision}-${hash}`;
}

/**
 * The refusal of a change whose preconditions (RFC 9110, 13.1) are not met; undefined when they are. `current` is
 * undefined when the resource does not exist yet.
 */
export function preconditionRefusal(
  preconditions: Preconditions | undefined,
  current: { readonly etag: string; readonly version?: number } | undefined,
): Refusal | undefined {
  const { ifMatch, ifNoneMatch } = preconditions ?? {};
  const has = (condition: NonNullable<typeof ifMatch>): boolean =>
    current !== undefined && (condition.any === true || (condition.tags ?? []).includes(current.etag));
  const details =
    current === undefined
      ? {}
      : {
          details: {
            current_etag: `"${current.etag}"`,
            ...(current.version === undefined ? {} : { current_version: current.version }),
          },
        };
  if (ifMatch !== undefined && !has(ifMatch)) {
    const message =
      current === undefined
        ? 'If-Match asks for something that is there, and there is nothing yet.'
        : `It has changed since: it is now "${current.etag}", which If-Match does not name.`;
    return { code: 'version_conflict', message, ...details };
  }
  if (ifNoneMatch !== undefined && has(ifNoneMatch)) {
    const message =
      ifNoneMatch.any === true
        ? 'It is there already, and If-None-Match: * asks that it is not.'
        : `It is still "${current?.etag}", which If-None-Match excludes.`;
    return { code: 'version_conflict', message, ...details };
  }
  return undefined;
}
