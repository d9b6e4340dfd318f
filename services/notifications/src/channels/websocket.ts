import type { JsonValue } from '@batuta/contracts';
import { GroupCommit } from '@batuta/service';
import type { DataSource } from 'typeorm';
import { announce } from '../inbox/inbox-entry.js';
import type { InboxEntry } from '../inbox/inbox-entry.js';
import { defaultContent, valuesOf } from '../templates/message.js';
import { TemplateError } from '../templates/templates.js';
import type { Templates } from '../templates/templates.js';
import type { Channel } from './channel.js';
import type { ChannelKind } from './kind.js';

export const websocket = {
  settings: {},
  open: (_settings, { dataSource, templates, publish }) => webSocketChannel({ dataSource, templates, publish }),
  templates: { callback_body_template: 'text' },
  target: ({ to: [user] = [] }, userId) => `user:${user ?? userId}`,
  // Only an inbox can still be acknowledged by its user. An email is done when the server has accepted it.
  isConfirmed: true,
} satisfies ChannelKind<object>;

interface WebSocketOptions {
  readonly dataSource: DataSource;
  readonly templates: Templates;
  readonly publish: (subject: string, payload: string) => void;
}

/**
 * Notifications in a user's inbox. They are kept until the user's client acknowledges them, and gateways hear of them
 * at once. Most are stored already when their deliveries are made (`DeliveryQueue.add`); the others come through here.
 */
function webSocketChannel({ dataSource, templates, publish }: WebSocketOptions): Channel {
  const inbox = new GroupCommit<Addition, Added | undefined>((additions) => addAll(dataSource, additions));
  return {
    type: 'websocket',
    async send({ id, tenantId, executionId, event, settings, message }) {
      const userId = settings.to?.[0] ?? message.execution.user_id;
      if (userId === '') return { result: 'refused', error: 'the execution was not started by a user with an inbox' };
      let content: JsonValue;
      try {
        const template = settings.callback_body_template;
        content =
          template === undefined
            ? defaultContent(message)
            : contentOf(await templates.render(template, 'text', valuesOf(message), message.execution.tenant_id));
      } catch (error) {
        if (error instanceof TemplateError) return { result: 'refused', error: `the template: ${error.message}` };
        throw error;
      }
      const row = await inbox.add({ id, tenantId, userId, executionId, event, content });
      if (row === undefined) return { result: 'refused', error: 'its execution was deleted' };
      if (row.acked_at != null) return { result: 'delivered' };
      const createdAt = row.created_at.getTime();
      announce(publish, { id, tenantId, userId, executionId, event, content, createdAt });
      return { result: 'sent' };
    },
  };
}

type Addition = Omit<InboxEntry, 'createdAt'>;

interface Added {
  readonly id: string;
  readonly created_at: Date;
  readonly acked_at: Date | null;
}

/**
 * Adds notifications, but not for a delivery that was deleted in the meantime with its execution. $1: JSON array. json
 * and not jsonb, because the content is passed on unchanged.
 */
const ADD = `
  INSERT INTO notifications.inbox (id, tenant_id, user_id, execution_id, event_type, content)
  SELECT r.id, r."tenantId", r."userId", r."executionId", r.event, r.content
  FROM json_to_recordset($1::json) AS r(id uuid, "tenantId" text, "userId" text, "executionId" text, event text,
    content json)
  JOIN notifications.orchestration_callbacks AS c ON c.id = r.id
  FOR KEY SHARE OF c
  ON CONFLICT (id) DO NOTHING`;

async function addAll(dataSource: DataSource, additions: readonly Addition[]): Promise<(Added | undefined)[]> {
  await dataSource.query(ADD, [JSON.stringify(additions)]);
  const rows = await dataSource.query<Added[]>(
    'SELECT id, created_at, acked_at FROM notifications.inbox WHERE id = ANY($1::uuid[])',
    [additions.map(({ id }) => id)],
  );
  const added = new Map(rows.map((row) => [row.id, row]));
  return additions.map(({ id }) => added.get(id));
}

/** A template may render JSON or text. */
function contentOf(rendered: string): JsonValue {
  try {
    // A bare null would mean that there is no content.
    return (JSON.parse(rendered) as JsonValue) ?? rendered;
  } catch {
    return rendered.replaceAll('\0', '\uFFFD').toWellFormed();
  }
}
