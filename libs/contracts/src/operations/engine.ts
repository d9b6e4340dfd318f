import type {
  AdmitReply,
  AdmitRequest,
  GetStartsReply,
  GetStartsRequest,
  GetTenantUseReply,
  GetTenantUseRequest,
  GetVersionsReply,
  GetVersionsRequest,
  ReadLogReply,
  ReadLogRequest,
  SocketsReply,
  SocketsRequest,
  TopologyReply,
} from '../execution.js';
import {
  AdmitReplySchema,
  AdmitRequestSchema,
  GetStartsReplySchema,
  GetStartsRequestSchema,
  GetTenantUseReplySchema,
  GetTenantUseRequestSchema,
  GetVersionsReplySchema,
  GetVersionsRequestSchema,
  ReadLogReplySchema,
  ReadLogRequestSchema,
  SocketsReplySchema,
  SocketsRequestSchema,
  TopologyReplySchema,
  TopologyRequestSchema,
} from '../generated/batuta/execution/v1/queries_pb.js';
import { defineInternal } from './define.js';

const SUBJECT = 'batuta.execution.query';

/** Requests of services to the engine, whichever execution they concern. */
export const engine = {
  topology: defineInternal<Record<string, never>, TopologyReply>({
    name: 'engine.topology',
    service: 'execution',
    subject: `${SUBJECT}.topology`,
    kind: 'read',
    request: TopologyRequestSchema,
    reply: TopologyReplySchema,
    askedBy: ['gateway', 'notifications'],
  }),
  versions: defineInternal<GetVersionsRequest, GetVersionsReply>({
    name: 'engine.versions',
    service: 'execution',
    subject: `${SUBJECT}.versions`,
    kind: 'read',
    request: GetVersionsRequestSchema,
    reply: GetVersionsReplySchema,
    askedBy: ['gateway', 'notifications'],
  }),
  starts: defineInternal<GetStartsRequest, GetStartsReply>({
    name: 'engine.starts',
    service: 'execution',
    subject: `${SUBJECT}.starts`,
    kind: 'read',
    request: GetStartsRequestSchema,
    reply: GetStartsReplySchema,
    askedBy: ['notifications'],
  }),
  log: defineInternal<ReadLogRequest, ReadLogReply>({
    name: 'engine.log',
    service: 'execution',
    subject: `${SUBJECT}.log`,
    kind: 'read',
    request: ReadLogRequestSchema,
    reply: ReadLogReplySchema,
    askedBy: ['notifications'],
  }),
  admit: defineInternal<AdmitRequest, AdmitReply>({
    name: 'engine.admit',
    service: 'execution',
    subject: `${SUBJECT}.admit`,
    kind: 'command',
    // A repeat with the same id is counted once.
    again: true,
    request: AdmitRequestSchema,
    reply: AdmitReplySchema,
    askedBy: ['gateway'],
  }),
  sockets: defineInternal<SocketsRequest, SocketsReply>({
    name: 'engine.sockets',
    service: 'execution',
    subject: `${SUBJECT}.sockets`,
    // An older number must not arrive after a newer one, so it is sent only once.
    kind: 'command',
    request: SocketsRequestSchema,
    reply: SocketsReplySchema,
    askedBy: ['gateway'],
  }),
  use: defineInternal<GetTenantUseRequest, GetTenantUseReply>({
    name: 'engine.use',
    service: 'execution',
    subject: `${SUBJECT}.use`,
    kind: 'read',
    request: GetTenantUseRequestSchema,
    reply: GetTenantUseReplySchema,
    askedBy: ['gateway'],
  }),
} as const;
