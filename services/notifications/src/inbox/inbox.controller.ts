import { subjects } from '@batuta/contracts';
import type { AckInboxReply, AckInboxRequest, ListInboxReply, ListInboxRequest } from '@batuta/contracts';
import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { principalOf } from '../access/refusals.js';
import { Inbox } from './inbox.service.js';

/** `batuta.notifications.inbox.*`. */
@Controller()
export class InboxController {
  readonly #inbox: Inbox;

  constructor(inbox: Inbox) {
    this.#inbox = inbox;
  }

  @MessagePattern(subjects.notifications.inboxList)
  list(@Payload() request: ListInboxRequest): Promise<ListInboxReply> {
    return this.#inbox.list(principalOf(request), request.limit, request.afterId);
  }

  @MessagePattern(subjects.notifications.inboxAck)
  acknowledge(@Payload() request: AckInboxRequest): Promise<AckInboxReply> {
    return this.#inbox.acknowledge(principalOf(request), request.ids, request.idempotency);
  }
}
