import { subjects } from '@batuta/contracts';
import type {
  AdmitReply,
  AdmitRequest,
  GetTenantUseReply,
  GetTenantUseRequest,
  SocketsReply,
  SocketsRequest,
  ExportExecutionReply,
  ExportExecutionRequest,
  VerifyExecutionReply,
  VerifyExecutionRequest,
  GetExecutionReply,
  GetExecutionRequest,
  GetPayloadReply,
  GetPayloadRequest,
  GetScheduleReply,
  GetScheduleRequest,
  GetStartsReply,
  GetStartsRequest,
  GetStepReply,
  GetStepRequest,
  GetVersionsReply,
  GetVersionsRequest,
  ListApprovalsReply,
  ListApprovalsRequest,
  ListEventsReply,
  ListEventsRequest,
  ListExecutionsReply,
  ListExecutionsRequest,
  ListScheduleEventsReply,
  ListScheduleEventsRequest,
  ListSchedulesReply,
  ListSchedulesRequest,
  ListPoolsReply,
  ListPoolsRequest,
  ReadLogReply,
  ReadLogRequest,
  TopologyReply,
} from '@batuta/contracts';
import { Controller } from '@nestjs/common';
import { MessagePattern, Payload } from '@nestjs/microservices';
import { Integrity } from '../integrity/integrity.js';
import { Admissions } from '../tenants/admissions.js';
import { ExecutionQueries } from './execution-queries.js';
import { ScheduleQueries } from './schedule-queries.js';

/** `batuta.execution.query.*`. */
@Controller()
export class QueriesController {
  readonly #queries: ExecutionQueries;

  readonly #integrity: Integrity;

  readonly #schedules: ScheduleQueries;

  readonly #admissions: Admissions;

  constructor(queries: ExecutionQueries, integrity: Integrity, schedules: ScheduleQueries, admissions: Admissions) {
    this.#queries = queries;
    this.#integrity = integrity;
    this.#schedules = schedules;
    this.#admissions = admissions;
  }

  @MessagePattern(subjects.query.topology)
  topology(): TopologyReply {
    return this.#queries.topology;
  }

  @MessagePattern(subjects.query.get)
  get(@Payload() request: GetExecutionRequest): Promise<GetExecutionReply> {
    return this.#queries.get(request);
  }

  @MessagePattern(subjects.query.step)
  step(@Payload() request: GetStepRequest): Promise<GetStepReply> {
    return this.#queries.step(request);
  }

  @MessagePattern(subjects.query.payload)
  payload(@Payload() request: GetPayloadRequest): Promise<GetPayloadReply> {
    return this.#queries.payload(request);
  }

  @MessagePattern(subjects.query.pools)
  pools(@Payload() request: ListPoolsRequest): Promise<ListPoolsReply> {
    return this.#queries.pools(request);
  }

  @MessagePattern(subjects.query.list)
  list(@Payload() request: ListExecutionsRequest): Promise<ListExecutionsReply> {
    return this.#queries.list(request);
  }

  @MessagePattern(subjects.query.approvals)
  approvals(@Payload() request: ListApprovalsRequest): Promise<ListApprovalsReply> {
    return this.#queries.approvals(request);
  }

  @MessagePattern(subjects.query.events)
  events(@Payload() request: ListEventsRequest): Promise<ListEventsReply> {
    return this.#queries.events(request);
  }

  @MessagePattern(subjects.query.verify)
  verify(@Payload() request: VerifyExecutionRequest): Promise<VerifyExecutionReply> {
    return this.#integrity.verify(request);
  }

  @MessagePattern(subjects.query.export)
  export(@Payload() request: ExportExecutionRequest): Promise<ExportExecutionReply> {
    return this.#integrity.export(request);
  }

  @MessagePattern(subjects.query.versions)
  versions(@Payload() request: GetVersionsRequest): Promise<GetVersionsReply> {
    return this.#queries.versions(request);
  }

  @MessagePattern(subjects.query.starts)
  starts(@Payload() request: GetStartsRequest): Promise<GetStartsReply> {
    return this.#queries.starts(request);
  }

  @MessagePattern(subjects.query.schedule)
  schedule(@Payload() request: GetScheduleRequest): Promise<GetScheduleReply> {
    return this.#schedules.get(request);
  }

  @MessagePattern(subjects.query.schedules)
  schedules(@Payload() request: ListSchedulesRequest): Promise<ListSchedulesReply> {
    return this.#schedules.list(request);
  }

  @MessagePattern(subjects.query.scheduleHistory)
  scheduleHistory(@Payload() request: ListScheduleEventsRequest): Promise<ListScheduleEventsReply> {
    return this.#schedules.history(request);
  }

  @MessagePattern(subjects.query.admit)
  admit(@Payload() request: AdmitRequest): Promise<AdmitReply> {
    return this.#admissions.admit(request);
  }

  @MessagePattern(subjects.query.sockets)
  sockets(@Payload() request: SocketsRequest): Promise<SocketsReply> {
    return this.#admissions.sockets(request);
  }

  @MessagePattern(subjects.query.use)
  use(@Payload() request: GetTenantUseRequest): Promise<GetTenantUseReply> {
    return this.#admissions.use(request);
  }

  @MessagePattern(subjects.query.log)
  log(@Payload() request: ReadLogRequest): Promise<ReadLogReply> {
    return this.#queries.log(request);
  }
}
