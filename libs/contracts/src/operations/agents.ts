import type {
  AgentReply,
  DeleteAgentRequest,
  GetAgentRequest,
  ListAgentsReply,
  ListAgentsRequest,
  PutAgentRequest,
} from '../config.js';
import {
  AgentReplySchema,
  DeleteAgentRequestSchema,
  GetAgentRequestSchema,
  ListAgentsReplySchema,
  ListAgentsRequestSchema,
  PutAgentRequestSchema,
} from '../generated/batuta/config/v1/service_pb.js';
import { anotherRoute, defineOperation } from './define.js';

const PATH = '/api/v1/agents';
const KEPT = ['tenant_id', 'built_in', 'revision', 'updated_at'] as const;

const put = defineOperation<PutAgentRequest, AgentReply>({
  name: 'agents.put',
  service: 'config',
  subject: 'batuta.config.agent.put',
  kind: 'command',
  role: 'admin',
  does: 'register an agent',
  request: PutAgentRequestSchema,
  reply: AgentReplySchema,
  refuses: ['conflict', 'pool_taken', 'not_applicable'],
  http: {
    method: 'PUT',
    path: `${PATH}/:name`,
    summary: 'Register an agent that your own workers serve',
    description:
      'A worker needs only a NATS client; see examples/worker-without-sdk. What a GET answered may be sent back: `revision`, `tenant_id`, `built_in` and `updated_at` are ignored.',
    compares: true,
    body: {
      schema: 'AgentBody',
      says: 'The agent.',
      kept: KEPT,
      example: { pool: 'text', description: 'Counts words', input_schema: { type: 'object' } },
    },
    answers: [
      { status: 201, schema: 'Agent', says: 'Registered.', etag: true },
      { status: 200, schema: 'Agent', says: 'Changed.', etag: true },
    ],
  },
});

/** The agents that steps use. Only admins decide whose workers get a tenant's tasks. */
export const agents = {
  list: defineOperation<ListAgentsRequest, ListAgentsReply>({
    name: 'agents.list',
    service: 'config',
    subject: 'batuta.config.agent.list',
    kind: 'read',
    role: 'viewer',
    does: 'list agents',
    request: ListAgentsRequestSchema,
    reply: ListAgentsReplySchema,
    http: {
      method: 'GET',
      path: PATH,
      tool: true,
      summary: 'List agents, the built-in ones too',
      answers: [{ status: 200, schema: 'AgentList', says: 'All agents.' }],
    },
  }),
  get: defineOperation<GetAgentRequest, AgentReply>({
    name: 'agents.get',
    service: 'config',
    subject: 'batuta.config.agent.get',
    kind: 'read',
    role: 'viewer',
    does: 'see an agent',
    request: GetAgentRequestSchema,
    reply: AgentReplySchema,
    refuses: ['not_found'],
    askedBy: ['gateway', 'execution', 'step-runner'],
    http: {
      method: 'GET',
      path: `${PATH}/:name`,
      tool: true,
      summary: 'Get an agent',
      seen: true,
      answers: [{ status: 200, schema: 'Agent', says: 'The agent.', etag: true }],
    },
  }),
  put,
  patch: anotherRoute(put, {
    name: 'agents.patch',
    refuses: ['not_found', 'conflict', 'pool_taken', 'not_applicable'],
    http: {
      method: 'PATCH',
      path: `${PATH}/:name`,
      summary: 'Change some fields of an agent',
      description:
        'The body is a JSON merge patch (RFC 7396): what it names is replaced, objects field by field, lists as a whole; null takes a field away.',
      compares: true,
      body: {
        schema: 'AgentPatch',
        says: 'The fields to change.',
        merges: true,
        kept: ['name', ...KEPT],
        example: { description: 'Counts words and characters', output_schema: null },
      },
      sets: { merge: true },
      answers: [{ status: 200, schema: 'Agent', says: 'Changed.', etag: true }],
    },
  }),
  delete: defineOperation<DeleteAgentRequest, AgentReply>({
    name: 'agents.delete',
    service: 'config',
    subject: 'batuta.config.agent.delete',
    kind: 'command',
    role: 'admin',
    does: 'delete an agent',
    request: DeleteAgentRequestSchema,
    reply: AgentReplySchema,
    refuses: ['not_found', 'conflict', 'not_applicable'],
    http: {
      method: 'DELETE',
      path: `${PATH}/:name`,
      summary: 'Remove an agent',
      compares: true,
      answers: [{ status: 200, schema: 'Agent', says: 'The removed agent.' }],
    },
  }),
} as const;
