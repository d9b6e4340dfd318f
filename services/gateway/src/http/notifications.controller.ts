import { Body, Controller, Get, HttpCode, Post, Query } from '@nestjs/common';
import { ApiBearerAuth, ApiBody, ApiOperation, ApiTags } from '@nestjs/swagger';
import { decodeCursor, encodeCursor, subjects, cursorParameter, limitParameter } from '@batuta/contracts';
import type { AckInboxReply, Idempotency, JsonObject, ListInboxReply, Principal } from '@batuta/contracts';
import { Caller, Needs } from '../auth/principal.js';
import { Backend } from '../backend/backend.js';
import { checkedBody } from './checked.js';
import { Answers, OnceKey, Queries, Refuses } from './documented.js';
import { AckBody } from './dto/ack.dto.js';
import { Once } from './idempotency.js';
import { accepted, mistake } from './problem.js';
import { parseQuery } from './query.js';
import { shownNotification } from './shown-callback.js';

const LIST = {
  limit: limitParameter(500, 100),
  cursor: cursorParameter,
} as const;

@ApiTags('Notifications')
@ApiBearerAuth()
@Controller('api/v1/notifications')
export class NotificationsController {
  constructor(private readonly backend: Backend) {}

  @Get()
  @ApiOperation({
    summary: 'What waits in your inbox',
    description: 'Not yet acknowledged, the oldest first. The WebSocket `/ws/notifications` sends the same at once.',
  })
  @Queries(LIST)
  @Answers(200, 'NotificationPage', 'A page.')
  @Refuses()
  async list(@Caller() principal: Principal, @Query() raw: unknown): Promise<JsonObject> {
    const { limit, cursor } = parseQuery(LIST, raw);
    const afterId = cursor === undefined ? undefined : decodeCursor('notifications', cursor);
    if (cursor !== undefined && afterId === undefined) {
      throw mistake('/cursor', 'bad_cursor', 'is not a cursor of this list');
    }
    const reply = accepted(
      await this.backend.ask<ListInboxReply>(subjects.notifications.inboxList, { principal, limit, afterId }),
    );
    const notifications = reply.notifications ?? [];
    const last = notifications.at(-1);
    return {
      notifications: notifications.map(shownNotification),
      next_cursor: reply.more === true && last !== undefined ? encodeCursor('notifications', last.id) : null,
    };
  }

  @Post('ack')
  @Needs('viewer')
  @HttpCode(200)
  @ApiOperation({ summary: 'Acknowledge notifications' })
  @OnceKey
  @ApiBody({ type: AckBody })
  @Answers(200, 'Acknowledged', 'Those that are yours.')
  @Refuses('idempotency_mismatch', 'malformed_json', 'payload_too_large', 'unsupported_media_type')
  async acknowledge(
    @Caller() principal: Principal,
    @Body(checkedBody(AckBody)) { ids }: AckBody,
    @Query() query: unknown,
    @Once() idempotency: Idempotency | undefined,
  ): Promise<JsonObject> {
    parseQuery({}, query);
    const request = { principal, ids, idempotency };
    const reply = accepted(await this.backend.ask<AckInboxReply>(subjects.notifications.inboxAck, request));
    return { ids: reply.ids ?? [], ...(reply.repeated === true ? { repeated: true } : {}) };
  }
}
