import { LIMITS, subjects } from '@batuta/contracts';
import type { InboxNotice, JsonValue } from '@batuta/contracts';
import type { DataSource } from 'typeorm';
import { defaultContent, valuesOf } from '../templates/message.js';
import { TemplateError } from '../templates/templates.js';
import type { Templates } from '../templates/templates.js';
import type { Channel } from './channel.js';

export interface WebSocketOptions {
  readonly dataSource: DataSource;
  readonly templates: Templates;
  readonly publish: (subject: string, payload: string) => void;
}

/** Notifications in a user's inbox: kept until the user's client acknowledges them, and told to the gateways at once. */
export function webSocketChannel({ dataSource, templates, publish }: WebSocketOptions): Channel {
  return {
    type: 'websocket',
    async send({ id, tenantId, executionId, event, settings, message }) {
      const userId = settings.to?.[0] ?? message.execution.user_id;
      if (userId === '')
        return { result: 'refused', error: 'the execution was started by nobody whose inbox it could be' };
      let content: JsonValue;
      try {
        const template = settings.callback_body_template;
        content =
          template === undefined
            ? defaultContent(message)
            : contentOf(templates.render(template, 'text', valuesOf(message)));
      } catch (error) {
        if (error instanceof TemplateError) return { result: 'refused', error: `the template: ${error.message}` };
        throw error;
      }
      const rows = await dataSource.query<{ created_at: Date; acked_at: Date | null }[]>(
        `WITH added AS (
           INSERT INTO notifications.inbox (id, tenant_id, user_id, execution_id, event_type, content)
           VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (id) DO NOTHING RETURNING created_at, acked_at
         )
         SELECT created_at, acked_at FROM added
         UNION ALL SELECT created_at, acked_at FROM notifications.inbox WHERE id = $1 LIMIT 1`,
        [id, tenantId, userId, executionId, event, JSON.stringify(content)],
      );
      const [row] = rows;
      if (row?.acked_at != null) return { result: 'delivered' };
      const notice: InboxNotice = {
        notification: {
          id,
          executionId,
          eventType: event,
          content,
          createdAt: row?.created_at.getTime() ?? Date.now(),
        },
      };
      const text = JSON.stringify(notice);
      publish(
        subjects.inbox(tenantId, userId),
        Buffer.byteLength(text) > LIMITS.publishedEventBytes ? JSON.stringify({} satisfies InboxNotice) : text,
      );
      return { result: 'sent' };
    },
  };
}

/** A template may write JSON or text. */
function contentOf(rendered: string): JsonValue {
  try {
    return JSON.parse(rendered) as JsonValue;
  } catch {
    return rendered.replaceAll('\0', '\uFFFD').toWellFormed();
  }
}
