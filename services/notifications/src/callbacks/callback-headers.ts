import { HIDDEN } from '@batuta/observability';
import { secretNames, withSecrets } from '@batuta/contracts';
import { Injectable } from '@nestjs/common';
import { NotificationsRows } from '../database/data-source.js';
import type { ChannelDefinition } from './channel-definition.js';
import { SecretCipher, SecretCipherError } from '@batuta/service';

type Headers = Readonly<Record<string, string>>;

/** How many callbacks, or deliveries of the version before, one statement changes. */
const PAGE = 500;

const WITH_HEADERS = `
  SELECT id, tenant_id, channel, fallback FROM notifications.callbacks
  WHERE id > $1 AND (jsonb_path_exists(channel, '$.callback_headers.*')
    OR jsonb_path_exists(fallback, '$[*].callback_headers.*'))
  ORDER BY id LIMIT $2`;

const REPLACE = `
  UPDATE notifications.callbacks AS c SET channel = r.channel, fallback = r.fallback
  FROM jsonb_to_recordset($1::jsonb) AS r(id uuid, channel jsonb, fallback jsonb, old_channel jsonb, old_fallback jsonb)
  WHERE c.id = r.id AND c.channel = r.old_channel AND c.fallback = r.old_fallback`;

/**
 * Hides header values that the version before copied into deliveries. $1: how many at most. The condition equals that
 * of the index that finds them.
 */
const HIDE_COPIES = `
  UPDATE notifications.orchestration_callbacks AS d
  SET callback_headers = (SELECT coalesce(jsonb_object_agg(name, '***'), '{}') FROM jsonb_object_keys(callback_headers) AS name),
      channel_settings = CASE WHEN channel_settings ? 'callback_headers' THEN jsonb_set(channel_settings, '{callback_headers}',
        (SELECT coalesce(jsonb_object_agg(name, '***'), '{}') FROM jsonb_object_keys(channel_settings -> 'callback_headers') AS name))
        ELSE channel_settings END,
      fallback = (
        SELECT coalesce(jsonb_agg(CASE WHEN f ? 'callback_headers' THEN jsonb_set(f, '{callback_headers}',
          (SELECT coalesce(jsonb_object_agg(name, '***'), '{}') FROM jsonb_object_keys(f -> 'callback_headers') AS name))
          ELSE f END ORDER BY place), '[]')
        FROM jsonb_array_elements(fallback) WITH ORDINALITY AS e(f, place))
  WHERE id IN (
    SELECT id FROM notifications.orchestration_callbacks
    WHERE jsonb_path_exists(callback_headers, '$.* ? (@ != "***")')
      OR jsonb_path_exists(fallback, '$[*].callback_headers.* ? (@ != "***")')
    ORDER BY id LIMIT $1 FOR UPDATE SKIP LOCKED)`;

/** $1: what values begin with that are under the newest key. */
const OUTDATED = `
  SELECT count(*)::int AS count FROM notifications.callbacks
  WHERE EXISTS (SELECT FROM jsonb_path_query(channel, '$.callback_headers.*') AS v WHERE NOT starts_with(v #>> '{}', $1))
    OR EXISTS (SELECT FROM jsonb_path_query(fallback, '$[*].callback_headers.*') AS v WHERE NOT starts_with(v #>> '{}', $1))`;

interface StoredCallback {
  readonly id: string;
  readonly tenant_id: string;
  readonly channel: ChannelDefinition;
  readonly fallback: readonly ChannelDefinition[];
}

/**
 * A channel as its deliveries store it: with the names of its headers. Their values are read from the callback when it
 * is sent.
 */
export function withoutHeaderValues(channel: ChannelDefinition): ChannelDefinition {
  return mapped(channel, () => HIDDEN);
}

/**
 * The headers that users give their webhooks. They often contain credentials, so each value is encrypted and bound to
 * its place.
 */
@Injectable()
export class CallbackHeaders {
  readonly #rows: NotificationsRows;
  readonly #cipher: SecretCipher;

  constructor(rows: NotificationsRows, cipher: SecretCipher) {
    this.#rows = rows;
    this.#cipher = cipher;
  }

  /** A channel as its callback stores it. */
  sealed(tenantId: string, callbackId: string, channel: ChannelDefinition): ChannelDefinition {
    return mapped(channel, (value, name) => this.#cipher.seal(value, placeOf(tenantId, callbackId, name)));
  }

  /**
   * A stored channel as users see it: with the headers' references to secrets, but no values. Any header may contain a
   * credential.
   */
  shown(tenantId: string, callbackId: string, channel: ChannelDefinition): ChannelDefinition {
    return mapped(channel, (stored, name) => {
      try {
        const value = this.#open(stored, placeOf(tenantId, callbackId, name));
        return secretNames(value).length > 0 && !/[^\s]/.test(withoutReferences(value)) ? value : HIDDEN;
      } catch (error) {
        if (error instanceof SecretCipherError) return HIDDEN;
        throw error;
      }
    });
  }

  /**
   * The headers for a webhook. `channelIndex` is the channel's number in the callback, 0 for its own. Undefined when
   * the callback was deleted. Throws a `SecretCipherError` when a value cannot be read.
   */
  async sending(tenantId: string, callbackId: string, channelIndex: number): Promise<Headers | undefined> {
    const [row] = await this.#rows
      .of(tenantId)
      .query<Pick<StoredCallback, 'channel' | 'fallback'>[]>(
        'SELECT channel, fallback FROM notifications.callbacks WHERE id = $1 AND tenant_id = $2',
        [callbackId, tenantId],
      );
    const channel = row === undefined ? undefined : [row.channel, ...row.fallback][channelIndex];
    if (channel === undefined) return undefined;
    return mapped(channel, (stored, name) => this.#open(stored, placeOf(tenantId, callbackId, name))).callback_headers;
  }

  /** How many callbacks have values that are not under the newest key. */
  async outdated(): Promise<number> {
    const [row] = await this.#rows.everybody.query<{ count: number }[]>(OUTDATED, [this.#cipher.currentPrefix ?? '']);
    return row?.count ?? 0;
  }

  /**
   * Encrypts values that are in the clear or under an older key with the newest key. `unreadable` counts the callbacks
   * with values that no configured key can read; these stay unchanged. Several replicas may do this at once.
   */
  async renew(): Promise<{ readonly renewed: number; readonly unreadable: number }> {
    const count = { renewed: 0, unreadable: 0 };
    for (let after = '00000000-0000-0000-0000-000000000000'; ;) {
      const rows = await this.#rows.everybody.query<StoredCallback[]>(WITH_HEADERS, [after, PAGE]);
      const last = rows.at(-1);
      if (last === undefined) break;
      after = last.id;
      const changes: object[] = [];
      for (const { id, tenant_id: tenantId, channel, fallback } of rows) {
        try {
          const [own, ...others] = [channel, ...fallback].map((each) => this.#renewed(tenantId, id, each));
          if (own === channel && others.every((other, place) => other === fallback[place])) continue;
          changes.push({ id, channel: own, fallback: others, old_channel: channel, old_fallback: fallback });
        } catch (error) {
          if (!(error instanceof SecretCipherError)) throw error;
          count.unreadable += 1;
        }
      }
      const [, renewed] = await this.#rows.everybody.query<[unknown, number]>(REPLACE, [JSON.stringify(changes)]);
      count.renewed += renewed;
    }
    for (let hidden = PAGE; hidden > 0;) {
      [, hidden] = await this.#rows.everybody.query<[unknown, number]>(HIDE_COPIES, [PAGE]);
    }
    return count;
  }

  /** Returns the same object when every value is already encrypted with the newest key. */
  #renewed(tenantId: string, callbackId: string, channel: ChannelDefinition): ChannelDefinition {
    let changed = false;
    const renewed = mapped(channel, (stored, name) => {
      const place = placeOf(tenantId, callbackId, name);
      const open = this.#open(stored, place);
      if (this.#cipher.isCurrent(stored)) return stored;
      const sealed = this.#cipher.seal(open, place);
      changed ||= sealed !== stored;
      return sealed;
    });
    return changed ? renewed : channel;
  }

  #open(stored: string, place: string): string {
    return SecretCipher.isSealed(stored) ? this.#cipher.open(stored, place) : stored;
  }
}

/**
 * Removes references to secrets. A scheme such as `Bearer` may stand before a reference, because it is a word of the
 * protocol.
 */
const withoutReferences = (value: string): string =>
  withSecrets(value, new Map()).replace(/^(?:Bearer|Basic|Token|ApiKey)\s/i, '');

const placeOf = (tenantId: string, callbackId: string, name: string): string =>
  `${tenantId}/${callbackId}/callback_headers/${name}`;

function mapped(channel: ChannelDefinition, change: (value: string, name: string) => string): ChannelDefinition {
  const { callback_headers: headers } = channel;
  if (headers === undefined) return channel;
  const changed = Object.entries(headers).map(([name, value]) => [name, change(value, name)] as const);
  return { ...channel, callback_headers: Object.fromEntries(changed) };
}
