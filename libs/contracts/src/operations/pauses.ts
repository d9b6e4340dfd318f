import {
  BeginPauseRequestSchema,
  EndPauseRequestSchema,
  ListPausesReplySchema,
  ListPausesRequestSchema,
  PauseReplySchema,
} from '../generated/batuta/execution/v1/pauses_pb.js';
import type { BeginPauseRequest, EndPauseRequest, ListPausesReply, ListPausesRequest, PauseReply } from '../pauses.js';
import { defineOperation } from './define.js';

const PATH = '/api/v1/pauses';

/** Tenants, agents and pools whose tasks are held back. Everybody may see why a step waits; only admins decide about it. */
export const pauses = {
  list: defineOperation<ListPausesRequest, ListPausesReply>({
    name: 'pauses.list',
    service: 'execution',
    subject: 'batuta.execution.pause.list',
    kind: 'read',
    role: 'viewer',
    does: 'list pauses',
    request: ListPausesRequestSchema,
    reply: ListPausesReplySchema,
    http: {
      method: 'GET',
      path: PATH,
      summary: 'List what is paused: the tenant, agents and pools',
      description:
        'Those of your tenant, and pools that are paused for every tenant. In the tenant `default` also the paused tenants.',
      answers: [{ status: 200, schema: 'PauseList', says: 'All of them, the oldest first.' }],
    },
  }),
  begin: defineOperation<BeginPauseRequest, PauseReply>({
    name: 'pauses.begin',
    service: 'execution',
    subject: 'batuta.execution.pause.begin',
    kind: 'command',
    role: 'admin',
    does: 'pause a tenant, an agent or a pool',
    request: BeginPauseRequestSchema,
    reply: PauseReplySchema,
    refuses: ['not_found', 'conflict'],
    http: {
      method: 'PUT',
      path: `${PATH}/:kind/:name`,
      summary: 'Pause a tenant, an agent or a pool',
      description:
        'Within a second no new task of it goes to a worker. What runs goes on, and what waits keeps its place. An `agent` is one of your tenant. A `pool` is paused for the tasks of your tenant, and for everybody when an admin of the tenant `default` does it. Only these admins pause a `tenant`. When it is paused already, the reason is replaced.',
      body: {
        schema: 'BeginPauseBody',
        says: 'Why.',
        optional: true,
        example: { reason: 'the ticket system is down' },
      },
      answers: [
        { status: 201, schema: 'Pause', says: 'Paused.' },
        { status: 200, schema: 'Pause', says: 'It was paused already; it has the new reason.' },
      ],
    },
  }),
  end: defineOperation<EndPauseRequest, PauseReply>({
    name: 'pauses.end',
    service: 'execution',
    subject: 'batuta.execution.pause.end',
    kind: 'command',
    role: 'admin',
    does: 'resume a tenant, an agent or a pool',
    request: EndPauseRequestSchema,
    reply: PauseReplySchema,
    refuses: ['not_found'],
    http: {
      method: 'DELETE',
      path: `${PATH}/:kind/:name`,
      summary: 'Resume a tenant, an agent or a pool',
      description: 'What waited goes to workers, in the order in which it came.',
      answers: [{ status: 200, schema: 'Pause', says: 'The pause that has ended.' }],
    },
  }),
} as const;
