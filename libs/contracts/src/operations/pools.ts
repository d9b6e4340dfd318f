import type {
  CreatePoolCredentialsReply,
  CreatePoolCredentialsRequest,
  GetPoolCredentialsRequest,
  ListPoolCredentialsReply,
  ListPoolCredentialsRequest,
  PoolCredentialsReply,
  RevokePoolCredentialsRequest,
} from '../config.js';
import {
  CreatePoolCredentialsReplySchema,
  CreatePoolCredentialsRequestSchema,
  GetPoolCredentialsRequestSchema,
  ListPoolCredentialsReplySchema,
  ListPoolCredentialsRequestSchema,
  PoolCredentialsReplySchema,
  RevokePoolCredentialsRequestSchema,
} from '../generated/batuta/config/v1/service_pb.js';
import type { ListPoolsReply, ListPoolsRequest } from '../execution.js';
import { ListPoolsReplySchema, ListPoolsRequestSchema } from '../generated/batuta/execution/v1/queries_pb.js';
import { defineOperation } from './define.js';
import { cursorParameter, limitParameter } from './parameters.js';

const POOLS = '/api/v1/pools';
const PATH = `${POOLS}/:pool/credentials`;

/** The pools of workers that serve agents. */
export const pools = {
  list: defineOperation<ListPoolsRequest, ListPoolsReply>({
    name: 'pools.list',
    service: 'execution',
    subject: 'batuta.execution.query.pools',
    kind: 'read',
    role: 'viewer',
    does: 'list pools',
    request: ListPoolsRequestSchema,
    reply: ListPoolsReplySchema,
    http: {
      method: 'GET',
      path: POOLS,
      tool: true,
      summary: 'List the pools of workers that serve your agents, and the built-in one',
      description: 'As they are now: workers seen in the last 30 s, their slots, and tasks that wait for one.',
      answers: [{ status: 200, schema: 'PoolList', says: 'All pools, by name.' }],
    },
  }),
} as const;

/** NATS credentials of a pool's workers. */
export const poolCredentials = {
  createCredentials: defineOperation<CreatePoolCredentialsRequest, CreatePoolCredentialsReply>({
    name: 'pools.createCredentials',
    service: 'config',
    subject: 'batuta.config.credentials.create',
    kind: 'command',
    role: 'admin',
    does: 'make credentials of a pool',
    request: CreatePoolCredentialsRequestSchema,
    reply: CreatePoolCredentialsReplySchema,
    refuses: ['not_found', 'conflict', 'not_applicable'],
    http: {
      method: 'POST',
      path: PATH,
      summary: 'Make NATS credentials for workers of a pool',
      description:
        'For a pool that serves agents of your tenant and of no other; for shared pools only an admin of the tenant `default`. The answer is the only place where the file is shown. It lets workers take and report on tasks of this pool, and nothing else.',
      secret: true,
      body: { schema: 'PoolCredentialsBody', says: 'The credentials.', example: { name: 'worker on host 7' } },
      answers: [{ status: 201, schema: 'NewPoolCredentials', says: 'The credentials.', etag: true }],
    },
  }),
  listCredentials: defineOperation<ListPoolCredentialsRequest, ListPoolCredentialsReply>({
    name: 'pools.listCredentials',
    service: 'config',
    subject: 'batuta.config.credentials.list',
    kind: 'read',
    role: 'admin',
    does: 'list credentials of a pool',
    request: ListPoolCredentialsRequestSchema,
    reply: ListPoolCredentialsReplySchema,
    refuses: ['not_found'],
    http: {
      method: 'GET',
      path: PATH,
      summary: "List the tenant's NATS credentials of a pool, without the files",
      query: { limit: limitParameter(200), cursor: cursorParameter },
      answers: [
        { status: 200, schema: 'PoolCredentialsPage', says: 'A page, the newest first; revoked and expired ones too.' },
      ],
    },
  }),
  getCredentials: defineOperation<GetPoolCredentialsRequest, PoolCredentialsReply>({
    name: 'pools.getCredentials',
    service: 'config',
    subject: 'batuta.config.credentials.get',
    kind: 'read',
    role: 'admin',
    does: 'read credentials of a pool',
    request: GetPoolCredentialsRequestSchema,
    reply: PoolCredentialsReplySchema,
    refuses: ['not_found'],
    http: {
      method: 'GET',
      path: `${PATH}/:id`,
      summary: 'Get NATS credentials of a pool, without the file',
      seen: true,
      answers: [
        {
          status: 200,
          schema: 'PoolCredentials',
          says: 'The credentials, also when they were revoked.',
          etag: true,
        },
      ],
    },
  }),
  revokeCredentials: defineOperation<RevokePoolCredentialsRequest, PoolCredentialsReply>({
    name: 'pools.revokeCredentials',
    service: 'config',
    subject: 'batuta.config.credentials.revoke',
    kind: 'command',
    role: 'admin',
    does: 'revoke credentials of a pool',
    request: RevokePoolCredentialsRequestSchema,
    reply: PoolCredentialsReplySchema,
    refuses: ['not_found', 'not_applicable'],
    http: {
      method: 'DELETE',
      path: `${PATH}/:id`,
      summary: 'Revoke NATS credentials of a pool',
      description: 'Workers that are connected with them are cut off. Their tasks go to other workers.',
      compares: true,
      answers: [{ status: 200, schema: 'PoolCredentials', says: 'The revoked credentials.', etag: true }],
    },
  }),
} as const;
