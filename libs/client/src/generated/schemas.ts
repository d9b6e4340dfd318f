// Generated from docs/openapi.json by `npm run openapi`: what the API takes and answers. Do not edit.

export interface AckBody {
  /** Ids of notifications. */
  ids: string[];
}

export interface Acknowledged {
  /** What was acknowledged. */
  ids: string[];
  /** True when this is the first answer to the same Idempotency-Key again; absent otherwise. */
  repeated?: boolean | undefined;
}

export interface Agent {
  /** Its name. */
  name: string;
  /** The pool whose workers run the task. */
  pool: string;
  /** Its purpose, for people. */
  description: string;
  /** Any JSON. */
  input_schema?: unknown | undefined;
  /** Any JSON. */
  output_schema?: unknown | undefined;
  /** Whether it comes with the platform. */
  built_in: boolean;
  /** Grows with each change. */
  revision: number;
  /** When it was last changed. */
  updated_at: string | null;
  /** The tenant that it belongs to. */
  tenant_id: string;
  /** What a model is told, of an agent that is made of one. */
  llm?: unknown | undefined;
  /** Config of the executions that an agent made of a model works in; its version is the revision. */
  config_id?: string | undefined;
  /** The pause that holds it back. Absent when there is none. */
  paused?: Pause | undefined;
}

export interface AgentBody {
  /** The workers' pool. */
  pool?: string | undefined;
  /** Its purpose, for people. */
  description?: string | undefined;
  /** JSON Schema of the input. */
  input_schema?: Record<string, unknown> | undefined;
  /** JSON Schema of the output. */
  output_schema?: Record<string, unknown> | undefined;
  /** In place of `pool`: what a model is told and may call. */
  llm?: Llm | undefined;
}

export interface AgentList {
  /** The agents. */
  agents: Agent[];
}

/** Any fields of an agent; null removes a field. */
export interface AgentPatch {
  /** The workers' pool. */
  pool?: string | undefined;
  /** What it does, for people. */
  description?: string | null | undefined;
  /** JSON Schema of the input. */
  input_schema?: Record<string, unknown> | null | undefined;
  /** JSON Schema of the output. */
  output_schema?: Record<string, unknown> | null | undefined;
  /** Fields of what a model is told. */
  llm?: Record<string, unknown> | null | undefined;
}

export interface ApiKey {
  /** Its id. */
  id: string;
  /** The tenant that it belongs to. */
  tenant_id: string;
  /** The user whose API key asked for it. */
  user_id: string;
  /** The rights of the key: `viewer` reads; `operator` also writes and runs; `admin` also manages agents and keys. */
  role: 'viewer' | 'operator' | 'admin';
  /** Its name. */
  name: string;
  /** When it was made. */
  created_at: string | null;
  /** When it ends; null when never. */
  expires_at?: string | null | undefined;
  /** When it was revoked; null while it was not. */
  revoked_at?: string | null | undefined;
  /** First characters of the key, to recognise it by. */
  prefix: string;
}

export interface ApiKeyBody {
  /** The user that the key acts for. */
  user_id: string;
  /** viewer reads; operator also writes and runs; admin also manages keys. */
  role: 'viewer' | 'operator' | 'admin';
  /** A name to recognise the key. */
  name?: string | undefined;
  /** When the key expires; default: never. */
  expires_at?: string | undefined;
  /** Another tenant to make the key in; only for admins of the tenant `default`. */
  tenant_id?: string | undefined;
}

export interface ApiKeyPage {
  /** The keys, without their secrets. */
  keys: ApiKey[];
  /** Cursor of the next page; null on the last page. */
  next_cursor: string | null;
}

export interface Approval {
  /** The question to the approver: a text, or one expression `{% … %}`. */
  message?: string | undefined;
  /** The users who may decide; absent when every operator may. */
  approvers?: string[] | undefined;
  /** Milliseconds to decide in. */
  timeout_ms?: number | undefined;
  /** The decision when that time has passed. Default: `reject`. */
  on_timeout?: 'reject' | 'approve' | undefined;
  /** JSON Schema (draft 2020-12) for the data of an approval. */
  schema?: unknown | undefined;
}

export interface ApprovalDecided {
  /** The step, by its id in the config. */
  step_id: string;
  /** Whether it was approved. */
  approved: boolean;
  /** The user who did it. */
  by?: string | undefined;
  /** The comment of the user who decided. */
  comment?: string | undefined;
  /** Any JSON that the approver sent. */
  data?: unknown | undefined;
  /** Whether time decided. */
  timed_out?: boolean | undefined;
}

export interface ApprovalDecidedEvent {
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** 1, 2, 3 … without gaps. */
  version: number;
  /** What happened. */
  type: 'ApprovalDecided';
  /** When it was recorded. */
  at: string;
  /** What happened. */
  data: ApprovalDecided;
  /** In place of data that are too large for the answer: where to read them. */
  data_omitted?: Omitted | undefined;
}

export interface ApprovalPage {
  /** The approvals that wait, oldest first. */
  approvals: ApprovalSummary[];
  /** Cursor of the next page; null on the last page. */
  next_cursor: string | null;
}

export interface ApprovalRequested {
  /** The step, by its id in the config. */
  step_id: string;
  /** The question to the approver. */
  message: string;
  /** Any JSON. */
  input?: unknown | undefined;
  /** When its time limit ends; null when there is no limit. */
  deadline_at?: string | null | undefined;
  /** The users who may decide; absent when every operator may. */
  approvers?: string[] | undefined;
  /** Of a call of a tool: the step id of a decision about it. */
  decide_as?: string | undefined;
}

export interface ApprovalRequestedEvent {
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** 1, 2, 3 … without gaps. */
  version: number;
  /** What happened. */
  type: 'ApprovalRequested';
  /** When it was recorded. */
  at: string;
  /** What happened. */
  data: ApprovalRequested;
  /** In place of data that are too large for the answer: where to read them. */
  data_omitted?: Omitted | undefined;
}

export interface ApprovalSummary {
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** The step, by its id in the config. */
  step_id: string;
  /** Name of the step. */
  step_name: string;
  /** The config that is run. */
  config_id: string;
  /** Name of that config. */
  config_name: string;
  /** The question to the approver. */
  message: string;
  /** The users who may decide; absent when every operator may. */
  approvers?: string[] | undefined;
  /** When the human was asked. */
  requested_at: string | null;
  /** When its time limit ends; null when there is no limit. */
  deadline_at?: string | null | undefined;
  /** Where it stands. */
  status: 'pending' | 'running' | 'paused' | 'completed' | 'failed' | 'cancelled' | 'compensation';
}

export interface ApprovalView {
  /** Where it stands. */
  status: 'waiting' | 'approved' | 'rejected' | 'withdrawn';
  /** The question to the approver. */
  message: string;
  /** Any JSON. */
  input?: unknown | undefined;
  /** The users who may decide; absent when every operator may. */
  approvers?: string[] | undefined;
  /** When the human was asked. */
  requested_at: string | null;
  /** When its time limit ends; null when there is no limit. */
  deadline_at?: string | null | undefined;
  /** When it was decided. */
  decided_at?: string | null | undefined;
  /** Who or what decided. */
  decided_by?: string | undefined;
  /** The comment of the user who decided. */
  comment?: string | undefined;
  /** Any JSON that the approver sent. */
  data?: unknown | undefined;
  /** Whether time decided. */
  timed_out?: boolean | undefined;
  /** In place of an input that is too large for the answer: where to read it. */
  input_omitted?: Omitted | undefined;
  /** In place of data that are too large for the answer: where to read them. */
  data_omitted?: Omitted | undefined;
}

export interface AuditEntry {
  /** Its id, a UUIDv7. */
  id: string;
  /** The tenant whose log has it: the caller’s, or `default` without a valid key. */
  tenant_id: string;
  /** Its place in the log of the tenant. */
  seq: number;
  /** When it was answered. */
  at: string | null;
  /** The API key; empty without a valid one. */
  key_id?: string | undefined;
  /** Who asked. */
  user_id?: string | undefined;
  /** With which role. */
  role?: string | undefined;
  /** How the request came: `rest`, `websocket`, `nats`, `command` for a command on the database, or `use` for the use of a secret. */
  channel: string;
  /** Name of the operation. */
  action: string;
  /** The resource: a path below /api/v1/. */
  resource: string;
  /** The `ETag` after the change, if the resource has one. */
  revision?: string | undefined;
  /** `succeeded`, `refused` or `failed`. */
  outcome: string;
  /** Code of the problem it was refused with. */
  code?: string | undefined;
  /** Address of the client. */
  address?: string | undefined;
  /** The `X-Request-Id` of the answer. */
  request_id?: string | undefined;
  /** SHA-256 over the link before and this entry, in hexadecimal digits. */
  link: string;
  /** What used a secret: `executions/{id}/steps/{step}/agents/{agent}` or `executions/{id}/callbacks/{id}`. Only in entries of such uses. */
  used_by?: string | undefined;
}

export interface AuditPage {
  /** The entries. */
  entries: AuditEntry[];
  /** Cursor of the next page; null on the last page. */
  next_cursor: string | null;
}

/** A range of times, and how they are made up for. */
export interface BackfillBody {
  /** The range begins here. */
  from: string;
  /** The range ends here, which belongs to it. */
  to: string;
  /** All at once, or one after the other. */
  overlap?: 'allow' | 'buffer_all' | undefined;
}

export interface BeginPauseBody {
  /** Why. Steps that wait because of it show it. */
  reason?: string | undefined;
}

export interface Budget {
  /** Tokens that may be spent; absent or 0: no limit. */
  max_tokens?: number | undefined;
  /** Cost that may be spent; absent or 0: no limit. */
  max_cost?: number | undefined;
}

export interface BudgetExceeded {
  /** What was spent. */
  resource: 'tokens' | 'cost';
  /** How much of it was allowed. */
  limit: number;
  /** How much of it was spent. */
  spent: number;
}

export interface BudgetExceededEvent {
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** 1, 2, 3 … without gaps. */
  version: number;
  /** What happened. */
  type: 'BudgetExceeded';
  /** When it was recorded. */
  at: string;
  /** What happened. */
  data: BudgetExceeded;
  /** In place of data that are too large for the answer: where to read them. */
  data_omitted?: Omitted | undefined;
}

export interface BudgetView {
  /** Tokens that may be spent; absent or 0: no limit. */
  max_tokens?: number | undefined;
  /** Cost that may be spent; absent or 0: no limit. */
  max_cost?: number | undefined;
  /** Tokens spent since the start or the last retry. */
  spent_tokens: number;
  /** Cost spent since the start or the last retry. */
  spent_cost: number;
  /** Set when more was spent than allowed. */
  exceeded?: BudgetExceeded | undefined;
}

/** Days and times of day that must all match. An absent list always matches; seconds, minutes and hours default to 0. */
export interface CalendarDays {
  /** Seconds. */
  seconds?: number[] | undefined;
  /** Minutes. */
  minutes?: number[] | undefined;
  /** Hours. */
  hours?: number[] | undefined;
  /** Days; -1 is the last one of the month. */
  days_of_month?: number[] | undefined;
  /** Weekdays. */
  days_of_week?: ('mon' | 'tue' | 'wed' | 'thu' | 'fri' | 'sat' | 'sun')[] | undefined;
  /** Which one of that weekday in its month; -1 is the last. */
  weeks_of_month?: number[] | undefined;
  /** Months. */
  months?: number[] | undefined;
  /** Years. */
  years?: number[] | undefined;
}

/** Exactly one of `config_id` and `execution_id` is required. */
export interface Callback {
  /** Its id. */
  id: string;
  /** The tenant that it belongs to. */
  tenant_id: string;
  /** The config whose executions it is about. */
  config_id?: string | undefined;
  /** The execution that it is about. */
  execution_id?: string | undefined;
  /** What it tells. */
  events: (
    | 'started'
    | 'completed'
    | 'failed'
    | 'cancelled'
    | 'paused'
    | 'step_failed'
    | 'approval_requested'
    | 'budget_exceeded'
  )[];
  /** Channels that take over in turn when the one before has not succeeded in time. */
  fallback?:
    | {
        /** The channel. */
        type: 'webhook' | 'email' | 'sms' | 'websocket';
        /** Attempts after the first. */
        max_retries?: number | undefined;
        /** Milliseconds that the channel before it has. */
        after_ms: number;
        /** Where to send the request: an http or https URL. */
        callback_url?: string | undefined;
        /** The method of the request. */
        callback_method?: 'POST' | 'PUT' | 'PATCH' | undefined;
        /** Sent with each request. Values of headers that carry credentials are shown as `***`. */
        callback_headers?: Record<string, string> | undefined;
        /** webhook: Liquid over `event` and `execution`: the body of the request. email: Liquid: the text of the email. sms: Liquid: the text of the message. websocket: Liquid: the content of the notification, as JSON or text. */
        callback_body_template?: string | undefined;
        /** email: Email addresses. sms: One phone number, such as +4915112345678 (E.164). websocket: One user id. Default: the user who started the execution. */
        to?: string | string[] | undefined;
        /** Liquid: the subject, on one line. */
        subject_template?: string | undefined;
        /** Liquid: the email as HTML. Values are escaped. */
        html_template?: string | undefined;
      }[]
    | undefined;
  /** The channel. */
  type: 'webhook' | 'email' | 'sms' | 'websocket';
  /** Attempts after the first. */
  max_retries?: number | undefined;
  /** Where to send the request: an http or https URL. */
  callback_url?: string | undefined;
  /** The method of the request. */
  callback_method?: 'POST' | 'PUT' | 'PATCH' | undefined;
  /** Sent with each request. Values of headers that carry credentials are shown as `***`. */
  callback_headers?: Record<string, string> | undefined;
  /** webhook: Liquid over `event` and `execution`: the body of the request. email: Liquid: the text of the email. sms: Liquid: the text of the message. websocket: Liquid: the content of the notification, as JSON or text. */
  callback_body_template?: string | undefined;
  /** email: Email addresses. sms: One phone number, such as +4915112345678 (E.164). websocket: One user id. Default: the user who started the execution. */
  to?: string | string[] | undefined;
  /** Liquid: the subject, on one line. */
  subject_template?: string | undefined;
  /** Liquid: the email as HTML. Values are escaped. */
  html_template?: string | undefined;
  /** Whether it is enabled. */
  enabled: boolean;
  /** Why it is disabled. */
  disabled_reason?: string | undefined;
  /** The user who made it. */
  created_by: string;
  /** When it was made. */
  created_at: string;
  /** When it was last changed. */
  updated_at: string;
  /** True when this is the first answer to the same Idempotency-Key again; absent otherwise. */
  repeated?: boolean | undefined;
}

/** Exactly one of `config_id` and `execution_id` is required. */
export interface CallbackBody {
  /** The config whose executions it is about. */
  config_id?: string | undefined;
  /** The execution that it is about. */
  execution_id?: string | undefined;
  /** What it tells. */
  events: (
    | 'started'
    | 'completed'
    | 'failed'
    | 'cancelled'
    | 'paused'
    | 'step_failed'
    | 'approval_requested'
    | 'budget_exceeded'
  )[];
  /** Channels that take over in turn when the one before has not succeeded in time. */
  fallback?:
    | {
        /** The channel. */
        type: 'webhook' | 'email' | 'sms' | 'websocket';
        /** Attempts after the first. */
        max_retries?: number | undefined;
        /** Milliseconds that the channel before it has. */
        after_ms: number;
        /** Where to send the request: an http or https URL. */
        callback_url?: string | undefined;
        /** The method of the request. */
        callback_method?: 'POST' | 'PUT' | 'PATCH' | undefined;
        /** Sent with each request. Values of headers that carry credentials are shown as `***`. */
        callback_headers?: Record<string, string> | undefined;
        /** webhook: Liquid over `event` and `execution`: the body of the request. email: Liquid: the text of the email. sms: Liquid: the text of the message. websocket: Liquid: the content of the notification, as JSON or text. */
        callback_body_template?: string | undefined;
        /** email: Email addresses. sms: One phone number, such as +4915112345678 (E.164). websocket: One user id. Default: the user who started the execution. */
        to?: string | string[] | undefined;
        /** Liquid: the subject, on one line. */
        subject_template?: string | undefined;
        /** Liquid: the email as HTML. Values are escaped. */
        html_template?: string | undefined;
      }[]
    | undefined;
  /** The channel. */
  type: 'webhook' | 'email' | 'sms' | 'websocket';
  /** Attempts after the first. */
  max_retries?: number | undefined;
  /** Where to send the request: an http or https URL. */
  callback_url?: string | undefined;
  /** The method of the request. */
  callback_method?: 'POST' | 'PUT' | 'PATCH' | undefined;
  /** Sent with each request. Values of headers that carry credentials are shown as `***`. */
  callback_headers?: Record<string, string> | undefined;
  /** webhook: Liquid over `event` and `execution`: the body of the request. email: Liquid: the text of the email. sms: Liquid: the text of the message. websocket: Liquid: the content of the notification, as JSON or text. */
  callback_body_template?: string | undefined;
  /** email: Email addresses. sms: One phone number, such as +4915112345678 (E.164). websocket: One user id. Default: the user who started the execution. */
  to?: string | string[] | undefined;
  /** Liquid: the subject, on one line. */
  subject_template?: string | undefined;
  /** Liquid: the email as HTML. Values are escaped. */
  html_template?: string | undefined;
}

export interface CallbackDelivery {
  /** Its id. */
  id: string;
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** The channel. */
  callback_type: string;
  /** The destination. References to secrets are not resolved. */
  callback_url: string;
  /** Method of the request; default `POST`. */
  callback_method?: string | undefined;
  /** Where it stands. */
  status: string;
  /** How many attempts failed and were tried again. */
  retry_count: number;
  /** How often a failed attempt is repeated. */
  max_retries: number;
  /** When the last attempt was made. */
  last_retry_at?: string | null | undefined;
  /** HTTP status of the last answer. */
  response_status?: number | undefined;
  /** Beginning of the last answer. */
  response_body?: string | undefined;
  /** When it was made. */
  created_at: string | null;
  /** When it was sent; null before. */
  sent_at?: string | null | undefined;
  /** When it ended; null before. */
  completed_at?: string | null | undefined;
  /** The callback; empty for the short form `callback_url`. */
  callback_id?: string | undefined;
  /** The event that it is about. */
  event_type: string;
  /** Version of that event. */
  event_version: number;
  /** 0 for the callback’s own channel, then its fallbacks. */
  channel: number;
  /** Why the last attempt failed. */
  error?: string | undefined;
  /** When the next attempt is made; null when there is none. */
  next_attempt_at?: string | null | undefined;
  /** Whether it was given up. */
  dead_letter: boolean;
  /** Every attempt, in order. */
  attempts?: DeliveryAttempt[] | undefined;
}

export interface CallbackPage {
  /** The callbacks, newest first. */
  callbacks: Callback[];
  /** Give it as `cursor` for the next page. */
  next_cursor: string | null;
}

export interface CancelBody {
  /** Why, for people. */
  reason?: string | undefined;
  /** Undo the completed steps that have `compensate`, newest first. The status is `compensation` meanwhile. */
  compensate?: boolean | undefined;
}

export interface ChainAnchor {
  /** signed: a checkpoint with a good signature holds it. none: no checkpoint does yet. unknown_key: the signature is of a key that the platform does not have. broken: the links that were signed are not those that are stored. */
  status: 'signed' | 'none' | 'unknown_key' | 'broken';
  /** The checkpoint covers the events up to this one. */
  up_to_version?: number | undefined;
  /** Position in the partition at which the checkpoint ends. */
  checkpoint_position?: number | undefined;
  /** When the checkpoint was signed. */
  checkpoint_at?: string | null | undefined;
  /** The key that signed it. */
  key_id?: string | undefined;
  /** What is broken. */
  message?: string | undefined;
}

export interface ChainHead {
  /** The event that has it. */
  version: number;
  /** Position of that event in the partition. */
  position: number;
  /** SHA-256 in hex. */
  link: string;
}

export interface ChainProblem {
  /** What happened to these events. */
  kind: 'changed' | 'missing' | 'moved';
  /** The first event that may be affected. */
  from_version: number;
  /** The last event that may be affected: the events of one commit share one link. */
  to_version: number;
  /** The partition of the log that contains the execution. */
  partition: number;
  /** Position in the partition of the first of them, or of the event before missing ones. */
  from_position: number;
  /** Position in the partition of the last of them, or of the event after missing ones. */
  to_position: number;
  /** What was found. */
  message: string;
}

export interface ChildEnded {
  /** The step, by its id in the config. */
  step_id: string;
  /** The execution that is the step. */
  child_id: string;
  /** How it ended. */
  status: 'completed' | 'failed' | 'cancelled' | 'deleted' | 'refused';
  /** Tokens that agents reported (`_tokens`). */
  token_count?: number | undefined;
  /** Cost that agents reported (`_cost`). */
  estimated_cost?: number | undefined;
}

export interface ChildEndedEvent {
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** 1, 2, 3 … without gaps. */
  version: number;
  /** What happened. */
  type: 'ChildEnded';
  /** When it was recorded. */
  at: string;
  /** What happened. */
  data: ChildEnded;
  /** In place of data that are too large for the answer: where to read them. */
  data_omitted?: Omitted | undefined;
}

export interface ChildRequested {
  /** The step, by its id in the config. */
  step_id: string;
  /** The execution that is the step. */
  child_id: string;
  /** 1 for the first child of the step. */
  number: number;
  /** The name or id in the step. */
  config: string;
  /** The version in the step; absent for the newest. */
  config_version?: number | undefined;
  /** Hash of its input: a retry continues the child when the input is the same. */
  input_key: string;
  /** Whether the child of an earlier run continues where it failed. */
  resumed?: boolean | undefined;
  /** The rest of the parent’s budget. */
  budget?: Budget | undefined;
  /** For a step with a map: number of the chunk, plus 1. */
  chunk?: number | undefined;
  /** The attempt that the child makes, of an agent that is made of a model. */
  attempt?: number | undefined;
  /** That of the agent. */
  config_id?: string | undefined;
}

export interface ChildRequestedEvent {
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** 1, 2, 3 … without gaps. */
  version: number;
  /** What happened. */
  type: 'ChildRequested';
  /** When it was recorded. */
  at: string;
  /** What happened. */
  data: ChildRequested;
  /** In place of data that are too large for the answer: where to read them. */
  data_omitted?: Omitted | undefined;
}

export interface ChildStarted {
  /** The step, by its id in the config. */
  step_id: string;
  /** The execution that is the step. */
  child_id: string;
  /** The config that is run. */
  config_id: string;
  /** Name of that config. */
  config_name: string;
  /** Version of the config with which the execution began. */
  config_version: number;
  /** The child’s version at that moment. */
  child_version: number;
}

export interface ChildStartedEvent {
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** 1, 2, 3 … without gaps. */
  version: number;
  /** What happened. */
  type: 'ChildStarted';
  /** When it was recorded. */
  at: string;
  /** What happened. */
  data: ChildStarted;
  /** In place of data that are too large for the answer: where to read them. */
  data_omitted?: Omitted | undefined;
}

export interface ChildView {
  /** The step that it runs for. */
  step_id: string;
  /** The child. */
  execution_id: string;
  /** Name of its config. Before the child exists: the name or id in the step. */
  config: string;
  /** Its config, when the child exists. */
  config_id?: string | undefined;
  /** Version of its config, when the child exists. */
  config_version?: number | undefined;
  /** The status that the parent knows. */
  status: 'starting' | 'running' | 'completed' | 'failed' | 'cancelled' | 'deleted' | 'refused';
  /** Whether the step has ended before the child. */
  closed?: boolean | undefined;
}

export interface Choice {
  /** `first`: the first branch whose condition is true; `all`: every one. Default: `first`. */
  mode?: 'first' | 'all' | undefined;
  /** The possible branches, in order. */
  branches: ChoiceBranch[];
  /** The steps that run when no condition is true. */
  default: string[];
}

export interface ChoiceBranch {
  /** JSONata condition. */
  when: string;
  /** The steps that run when it is chosen. */
  steps: string[];
}

export interface ChoiceMade {
  /** The step, by its id in the config. */
  step_id: string;
  /** Indexes of the chosen branches, from 0; empty when the default is chosen. */
  branches: number[];
  /** The steps that run. */
  steps: string[];
}

export interface ChoiceMadeEvent {
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** 1, 2, 3 … without gaps. */
  version: number;
  /** What happened. */
  type: 'ChoiceMade';
  /** When it was recorded. */
  at: string;
  /** What happened. */
  data: ChoiceMade;
  /** In place of data that are too large for the answer: where to read them. */
  data_omitted?: Omitted | undefined;
}

/** The status of the execution after the command. */
export interface Commanded {
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** The trace of the execution, an OpenTelemetry trace id. */
  trace_id: string;
  /** Where it stands. */
  status: 'pending' | 'running' | 'paused' | 'completed' | 'failed' | 'cancelled' | 'compensation';
  /** Version of its newest event. */
  version: number;
  /** True when this command had taken effect before. */
  repeated?: boolean | undefined;
}

export interface Compensation {
  /** The agent that undoes it. */
  agent: string;
  /** Mapping of the agent’s input; texts `{% … %}` are JSONata. */
  input?: unknown | undefined;
  /** Whether and when another attempt follows a failed one. */
  retry?: Retry | undefined;
  /** Milliseconds that one attempt may take. Default: `60000`. */
  timeout_ms?: number | undefined;
}

export interface CompensationOutcome {
  /** Steps that were undone, in this order. */
  compensated: string[];
  /** Steps that should have been undone and were not. */
  not_compensated: string[];
  /** The step whose compensation failed and stopped the rest. */
  failed_step_id?: string | undefined;
  /** Why it failed. Absent when it did not. */
  failure?: Failure | undefined;
}

export interface CompensationStarted {
  /** Whether a failure or a cancel led to it. */
  cause: string;
  /** Why it failed. Absent when it did not. */
  failure?: Failure | undefined;
  /** The step, by its id in the config. */
  step_id?: string | undefined;
  /** The reason that the user gave. */
  reason?: string | undefined;
  /** The user who did it. */
  by?: string | undefined;
}

export interface CompensationStartedEvent {
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** 1, 2, 3 … without gaps. */
  version: number;
  /** What happened. */
  type: 'CompensationStarted';
  /** When it was recorded. */
  at: string;
  /** What happened. */
  data: CompensationStarted;
  /** In place of data that are too large for the answer: where to read them. */
  data_omitted?: Omitted | undefined;
}

export interface CompensationView {
  /** The step, by its id in the config. */
  step_id: string;
  /** Where it stands. */
  status: string;
  /** Why it failed. Absent when it did not. */
  failure?: Failure | undefined;
  /** Number of the attempt, from 1; 0 before the first. */
  attempt: number;
}

export interface Concurrency {
  /** A text, or one expression `{% … %}` over `input`, `session_id` and `user_id`. Absent: all executions of the config share the limit. */
  key?: string | undefined;
  /** How many run at once. */
  limit: number;
  /** What an execution does that finds no place: it waits, it fails, the oldest one is cancelled for it, or it is cancelled itself. Default: `queue`. */
  on_limit?: 'queue' | 'reject' | 'cancel_oldest' | 'cancel_newest' | undefined;
}

/** A definition with the fields that the platform maintains. `version` grows by one with each change. */
export interface Config {
  /** The config, a UUID. */
  id: string;
  /** The tenant that it belongs to. */
  tenant_id: string;
  /** The user who made it. */
  owner_id: string;
  /** Grows with each change; it is also the ETag. */
  version: number;
  /** False once it was deleted. */
  is_active: boolean;
  /** When it was made. */
  created_at: string | null;
  /** When it was last changed. */
  updated_at: string | null;
  /** When it was deleted; null while it is not. */
  deleted_at?: string | null | undefined;
  /** How many steps it has. */
  steps_count: number;
  /** 1 to 255 characters, unique among the configs of the tenant. */
  name: string;
  /** Its purpose, for people. */
  description?: string | undefined;
  /** How the steps are ordered. */
  strategy: 'sequential' | 'parallel' | 'consensus' | 'fallback';
  /** 1 to 10,000 steps. */
  steps: Step[];
  /** Settings of the whole execution. */
  settings?: Settings | undefined;
  /** Whatever the user keeps with it. The platform does not read it. Its keys are names. */
  metadata?: Record<string, unknown> | undefined;
  /** Whether it is a global config. */
  is_global?: boolean | undefined;
  /** JSON Schema (draft 2020-12) that the input of a start must fit. */
  input_schema?: unknown | undefined;
  /** How groups of steps decide. A group that is not listed has the defaults. */
  consensus_groups?: ConsensusGroup[] | undefined;
  /** Mapping of the execution’s output; texts `{% … %}` are JSONata. Default: the output of the only last step, else an object of the last steps by output key. */
  output?: unknown | undefined;
  /** True when this is the first answer to the same Idempotency-Key again; absent otherwise. */
  repeated?: boolean | undefined;
}

/** The flat form or the nested one; `steps` is a list or an object. */
export type ConfigBody = OrchestrationDefinition | NestedDefinition;

/** A JSON Schema, draft 2020-12. */
export type ConfigJsonSchema = Record<string, unknown>;

export interface ConfigPage {
  /** The configs, newest first. */
  configs: Config[];
  /** Cursor of the next page; null on the last page. */
  next_cursor: string | null;
  /** Items on all pages; with `offset` or `with_total`. */
  total?: number | undefined;
  /** As in the request; only with `offset`. */
  limit?: number | undefined;
  /** As in the request; only with `offset`. */
  offset?: number | undefined;
}

/** Any fields of a definition; null removes a field. */
export interface ConfigPatch {
  /** 1 to 255 characters, unique among the configs of the tenant. */
  name?: string | null | undefined;
  /** Its purpose, for people. */
  description?: string | null | undefined;
  /** How the steps are ordered. */
  strategy?: 'sequential' | 'parallel' | 'consensus' | 'fallback' | null | undefined;
  /** 1 to 10,000 steps. */
  steps?: Step[] | null | undefined;
  /** Settings of the whole execution. */
  settings?: SettingsPatch | null | undefined;
  /** Whatever the user keeps with it. The platform does not read it. Its keys are names. */
  metadata?: Record<string, unknown> | null | undefined;
  /** Whether it is a global config. */
  is_global?: boolean | null | undefined;
  /** JSON Schema (draft 2020-12) that the input of a start must fit. */
  input_schema?: unknown | undefined;
  /** How groups of steps decide. A group that is not listed has the defaults. */
  consensus_groups?: ConsensusGroup[] | null | undefined;
  /** Mapping of the execution’s output; texts `{% … %}` are JSONata. Default: the output of the only last step, else an object of the last steps by output key. */
  output?: unknown | undefined;
}

export interface ConfigVersions {
  /** The versions, newest first. */
  versions: Config[];
  /** Cursor of the next page; null on the last page. */
  next_cursor: string | null;
}

export interface ConsensusFailed {
  /** The consensus group, by its id in the config. */
  group_id: string;
  /** How the group decides. */
  mode: string;
  /** The vote of each member. */
  votes?: Vote[] | undefined;
  /** Why it failed. Absent when it did not. */
  failure: Failure;
  /** What the failure does to the execution: `abort`, `continue` or `fallback`. */
  handling: string;
  /** The fallback that is tried next. */
  fallback_step_id?: string | undefined;
}

export interface ConsensusFailedEvent {
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** 1, 2, 3 … without gaps. */
  version: number;
  /** What happened. */
  type: 'ConsensusFailed';
  /** When it was recorded. */
  at: string;
  /** What happened. */
  data: ConsensusFailed;
  /** In place of data that are too large for the answer: where to read them. */
  data_omitted?: Omitted | undefined;
}

export interface ConsensusGroup {
  /** Has the form of a step’s id, and differs from all of them. */
  id: string;
  /** How the group decides. Default: `quorum`. */
  mode?: 'quorum' | 'majority' | 'weighted' | 'unanimous' | 'best' | 'judge' | undefined;
  /** The share that is needed, above 0 and up to 1. */
  threshold?: number | undefined;
  /** JSONata over a member’s output; default the whole output. */
  vote_key?: string | undefined;
  /** For mode `best`: JSONata over a member’s output; the highest wins. */
  score?: string | undefined;
  /** For mode `weighted`: the weight of each member’s vote; default 1. */
  weights?: Record<string, number> | undefined;
  /** The agent that decides, for mode `judge` and `on_tie: judge`. */
  judge?: string | undefined;
  /** What happens at a tie. Default: `fail`. */
  on_tie?: 'fail' | 'first' | 'judge' | undefined;
  /** The effect of its failure. Default: `abort`. */
  on_failure?: 'abort' | 'continue' | 'fallback' | undefined;
  /** Whether members that cannot change the outcome are stopped. */
  early_stop?: boolean | undefined;
  /** Name of its output for the steps that depend on it; default its id. */
  output_key?: string | undefined;
}

export interface ConsensusReached {
  /** The consensus group, by its id in the config. */
  group_id: string;
  /** How the group decides. */
  mode: string;
  /** The vote of each member. */
  votes?: Vote[] | undefined;
  /** Members that voted for the winner. */
  winners?: string[] | undefined;
  /** Members that voted for something else. */
  dissent?: string[] | undefined;
  /** `threshold`, `score`, `judge`, or `first` when a tie was decided by the order of the list. */
  decided_by: string;
  /** Share of members or of weight behind the winners, from 0 to 1. */
  share?: number | undefined;
}

export interface ConsensusReachedEvent {
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** 1, 2, 3 … without gaps. */
  version: number;
  /** What happened. */
  type: 'ConsensusReached';
  /** When it was recorded. */
  at: string;
  /** What happened. */
  data: ConsensusReached;
  /** In place of data that are too large for the answer: where to read them. */
  data_omitted?: Omitted | undefined;
}

export interface ConsensusView {
  /** The consensus group, by its id in the config. */
  group_id: string;
  /** How the group decides. */
  mode: string;
  /** Where it stands. */
  status: string;
  /** The vote of each member. */
  votes?: Vote[] | undefined;
  /** Members that voted for the winner. */
  winners?: string[] | undefined;
  /** Members that voted for something else. */
  dissent?: string[] | undefined;
  /** `threshold`, `score`, `judge`, or `first` when a tie was decided by the order of the list. */
  decided_by?: string | undefined;
  /** Share of members or of weight behind the winners, from 0 to 1. */
  share?: number | undefined;
  /** Why it failed. Absent when it did not. */
  failure?: Failure | undefined;
  /** Any JSON. */
  output?: unknown | undefined;
  /** The fallback whose output it has. */
  served_by?: string | undefined;
  /** In place of an output that is too large for the answer: where to read it. */
  output_omitted?: Omitted | undefined;
}

export interface ControlView {
  /** The request. */
  command: 'pause' | 'resume' | 'cancel' | 'terminate' | 'skip' | 'retry' | 'compensate';
  /** When. */
  at: string | null;
  /** The user who did it. */
  by?: string | undefined;
  /** The reason that the user gave. */
  reason?: string | undefined;
  /** The step, by its id in the config. */
  step_id?: string | undefined;
}

export interface CurrentStep {
  /** The step, by its id in the config. */
  step_id: string;
  /** Name of the step. */
  step_name: string;
  /** Name of the agent that runs the step. */
  agent_id?: string | undefined;
  /** Where it stands. */
  status: 'running' | 'paused';
  /** Number of the attempt, from 1; 0 before the first. */
  attempt: number;
  /** Whether it waits for a human. */
  awaiting_approval: boolean;
}

export interface DecisionBody {
  /** Why, for people. */
  comment?: string | undefined;
  /** Any JSON. It is stored with the decision, and is part of the step's output when it is approved. */
  data?: unknown | undefined;
}

export interface DeliveryAttempt {
  /** Number of the attempt, from 1; 0 before the first. */
  attempt: number;
  /** When it began to run; null before. */
  started_at: string | null;
  /** Milliseconds that the attempt took. */
  duration_ms?: number | undefined;
  /** The outcome of the attempt. */
  outcome: string;
  /** HTTP status of the last answer. */
  response_status?: number | undefined;
  /** Why it failed; null when it did not. */
  error?: string | undefined;
}

export interface DeliveryPage {
  /** The deliveries, newest first. */
  deliveries: CallbackDelivery[];
  /** Give it as `cursor` for the next page. */
  next_cursor: string | null;
}

export interface DependenciesChecked {
  /** The executions that are asked once more. */
  execution_ids: string[];
}

export interface DependenciesCheckedEvent {
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** 1, 2, 3 … without gaps. */
  version: number;
  /** What happened. */
  type: 'DependenciesChecked';
  /** When it was recorded. */
  at: string;
  /** What happened. */
  data: DependenciesChecked;
  /** In place of data that are too large for the answer: where to read them. */
  data_omitted?: Omitted | undefined;
}

export interface Dependency {
  /** The execution to wait for. */
  execution_id: string;
  /** How it must end: completed; failed or cancelled; in any way. */
  on: 'success' | 'failed' | 'finished';
  /** The process that it belongs to. */
  process?: string | undefined;
}

export interface DependencyEnded {
  /** The execution to wait for. */
  execution_id: string;
  /** How it ended. */
  status: 'completed' | 'failed' | 'cancelled';
  /** Its version at its end. */
  version: number;
  /** Only with the last of them: the deadline of this execution. */
  deadline_at?: string | null | undefined;
}

export interface DependencyEndedEvent {
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** 1, 2, 3 … without gaps. */
  version: number;
  /** What happened. */
  type: 'DependencyEnded';
  /** When it was recorded. */
  at: string;
  /** What happened. */
  data: DependencyEnded;
  /** In place of data that are too large for the answer: where to read them. */
  data_omitted?: Omitted | undefined;
}

export interface DependencyFound {
  /** The execution to wait for. */
  execution_id: string;
}

export interface DependencyFoundEvent {
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** 1, 2, 3 … without gaps. */
  version: number;
  /** What happened. */
  type: 'DependencyFound';
  /** When it was recorded. */
  at: string;
  /** What happened. */
  data: DependencyFound;
  /** In place of data that are too large for the answer: where to read them. */
  data_omitted?: Omitted | undefined;
}

export interface DependencyView {
  /** The execution to wait for. */
  execution_id: string;
  /** How it must end: completed; failed or cancelled; in any way. */
  on: 'success' | 'failed' | 'finished';
  /** The process that it belongs to. */
  process?: string | undefined;
  /** Its state, as far as this execution knows. */
  state: 'not_started' | 'waiting' | 'met' | 'failed';
  /** How it ended. */
  ended?: 'completed' | 'failed' | 'cancelled' | undefined;
}

export interface DocumentBody {
  /** A path or URL, unique in the tenant: a document with the same source is replaced. */
  source: string;
  /** Default: the first heading, else the source. */
  title?: string | undefined;
  /** Markdown is split by its headings. */
  content_type?: 'text/markdown' | 'text/plain' | undefined;
  /** The text itself. */
  content: string;
  /** Whatever the user keeps with it. The platform does not read it. */
  metadata?: Record<string, unknown> | undefined;
}

export interface DocumentPage {
  /** The documents, newest first. */
  documents: KnowledgeDocument[];
  /** Cursor of the next page; null on the last page. */
  next_cursor: string | null;
}

export interface EvaluationRecorded {
  /** Its purpose: `<purpose>:<step or group>`. */
  key: string;
  /** The results of the expressions, in order. */
  values?: unknown[] | undefined;
  /** Why it failed. Absent when it did not. */
  failure?: Failure | undefined;
}

export interface EvaluationRecordedEvent {
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** 1, 2, 3 … without gaps. */
  version: number;
  /** What happened. */
  type: 'EvaluationRecorded';
  /** When it was recorded. */
  at: string;
  /** What happened. */
  data: EvaluationRecorded;
  /** In place of data that are too large for the answer: where to read them. */
  data_omitted?: Omitted | undefined;
}

export interface EvaluationRequested {
  /** Its purpose: `<purpose>:<step or group>`. */
  key: string;
}

export interface EvaluationRequestedEvent {
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** 1, 2, 3 … without gaps. */
  version: number;
  /** What happened. */
  type: 'EvaluationRequested';
  /** When it was recorded. */
  at: string;
  /** What happened. */
  data: EvaluationRequested;
  /** In place of data that are too large for the answer: where to read them. */
  data_omitted?: Omitted | undefined;
}

/** One event of an execution. Its `type` says which. */
export type Event =
  | ExecutionStartedEvent
  | StepScheduledEvent
  | ModelAnsweredEvent
  | ToolCalledEvent
  | RouteAskedEvent
  | RouteDecidedEvent
  | IterationCompletedEvent
  | IterationPlannedEvent
  | StepCompletedEvent
  | StepAttemptFailedEvent
  | StepFailedEvent
  | StepSkippedEvent
  | ApprovalRequestedEvent
  | ApprovalDecidedEvent
  | WaitStartedEvent
  | SignalAwaitedEvent
  | SignalReceivedEvent
  | ChoiceMadeEvent
  | ChildRequestedEvent
  | ChildStartedEvent
  | ChildEndedEvent
  | MapStartedEvent
  | MapChunkEndedEvent
  | ParentCommandedEvent
  | WaiterAddedEvent
  | DependencyFoundEvent
  | DependencyEndedEvent
  | PlaceRequestedEvent
  | PlaceAwaitedEvent
  | PlaceTakenEvent
  | DependenciesCheckedEvent
  | ExecutionRescheduledEvent
  | BudgetExceededEvent
  | CompensationStartedEvent
  | ConsensusFailedEvent
  | ConsensusReachedEvent
  | EvaluationRecordedEvent
  | EvaluationRequestedEvent
  | ExecutionPausedEvent
  | ExecutionResumedEvent
  | ExecutionRetriedEvent
  | ExecutionReopenedEvent
  | ExecutionDeletedEvent
  | ExecutionRestoredEvent
  | StepProgressedEvent
  | StepReusedEvent
  | ExecutionCompletedEvent
  | ExecutionFailedEvent
  | ExecutionCancelledEvent;

export interface EventPage {
  /** The events, in order. */
  events: Event[];
  /** Cursor of the next page; null on the last page. */
  next_cursor: string | null;
}

export interface ExecuteBody {
  /** The execution's input: any JSON. Checked against the config's `input_schema` when it has one. */
  input?: unknown | undefined;
  /** Your session, to find executions; default: `session_id` of the input, if that is a text. */
  session_id?: string | undefined;
  /** Anything you want to keep with the execution. */
  metadata?: Record<string, unknown> | undefined;
  /** Called when the execution ends. */
  callback_url?: string | undefined;
  /** Nothing runs before this time; a time in the past means at once. */
  start_at?: string | undefined;
  /** The priority of its tasks; default `settings.priority` of the config. */
  priority?: 'high' | 'normal' | 'low' | undefined;
  /** Limits of the tokens and cost that agents report. The smaller limits of this and of the config’s `settings.budget` count. */
  budget?:
    | {
        /** Tokens that may be spent. */
        max_tokens?: number | undefined;
        /** Cost that may be spent; above 0. */
        max_cost?: number | undefined;
      }
    | undefined;
  /** Executions that have to end before this one begins; it is `pending` until then. When one has ended in another way, this one fails with `dependency_failed`. */
  after?:
    | {
        /** The id of an execution. */
        execution: string;
        /** How it has to end: completed; failed or cancelled; in any way. */
        on?: 'success' | 'failed' | 'finished' | undefined;
      }[]
    | undefined;
}

export interface ExecutionCancelled {
  /** The reason that the user gave. */
  reason?: string | undefined;
  /** The user who did it. */
  by?: string | undefined;
  /** The steps that were undone and those that were not. Absent when there was nothing to undo. */
  compensation?: CompensationOutcome | undefined;
  /** Whether it was ended at once, without further compensation. */
  terminated?: boolean | undefined;
}

export interface ExecutionCancelledEvent {
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** 1, 2, 3 … without gaps. */
  version: number;
  /** What happened. */
  type: 'ExecutionCancelled';
  /** When it was recorded. */
  at: string;
  /** What happened. */
  data: ExecutionCancelled;
  /** In place of data that are too large for the answer: where to read them. */
  data_omitted?: Omitted | undefined;
}

export interface ExecutionCompleted {
  /** Any JSON. */
  output?: unknown | undefined;
}

export interface ExecutionCompletedEvent {
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** 1, 2, 3 … without gaps. */
  version: number;
  /** What happened. */
  type: 'ExecutionCompleted';
  /** When it was recorded. */
  at: string;
  /** What happened. */
  data: ExecutionCompleted;
  /** In place of data that are too large for the answer: where to read them. */
  data_omitted?: Omitted | undefined;
}

export interface ExecutionDeleted {
  /** The tenant that it belongs to. */
  tenant_id: string;
  /** The trace of the execution, an OpenTelemetry trace id. */
  trace_id: string;
  /** The config that is run. */
  config_id: string;
  /** Name of that config. */
  config_name: string;
  /** Version of the config with which the execution began. */
  config_version: number;
  /** The user whose API key asked for it. */
  user_id: string;
  /** Where it stands. */
  status: string;
  /** When it was made. */
  created_at: string | null;
  /** When the execution had ended. */
  ended_at: string | null;
  /** SHA-256 of the request, kept with an `Idempotency-Key`. */
  request_hash?: string | undefined;
  /** The events, in order. */
  events: number;
  /** The user who did it. */
  by?: string | undefined;
  /** The reason that the user gave. */
  reason?: string | undefined;
  /** The retention policy that deleted it. */
  policy?: string | undefined;
  /** The execution that has this one as a step. */
  parent?: ParentLink | undefined;
  /** The archive file that holds its events; absent when they are gone for good. */
  archive?: string | undefined;
}

export interface ExecutionDeletedEvent {
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** 1, 2, 3 … without gaps. */
  version: number;
  /** What happened. */
  type: 'ExecutionDeleted';
  /** When it was recorded. */
  at: string;
  /** What happened. */
  data: ExecutionDeleted;
  /** In place of data that are too large for the answer: where to read them. */
  data_omitted?: Omitted | undefined;
}

export interface ExecutionFailed {
  /** Why it failed. Absent when it did not. */
  failure: Failure;
  /** The step, by its id in the config. */
  step_id?: string | undefined;
  /** The steps that were undone and those that were not. Absent when there was nothing to undo. */
  compensation?: CompensationOutcome | undefined;
}

export interface ExecutionFailedEvent {
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** 1, 2, 3 … without gaps. */
  version: number;
  /** What happened. */
  type: 'ExecutionFailed';
  /** When it was recorded. */
  at: string;
  /** What happened. */
  data: ExecutionFailed;
  /** In place of data that are too large for the answer: where to read them. */
  data_omitted?: Omitted | undefined;
}

export interface ExecutionIntegrity {
  /** Whether no problem was found. */
  intact: boolean;
  /** How many events it has. */
  events: number;
  /** Events that the chain covers. */
  linked: number;
  /** Events that a version of Batuta without links stored. They cannot be verified. */
  unlinked: number;
  /** The problems that were found, at most the first hundred. */
  problems: ChainProblem[];
  /** The newest link. Absent when no event has one. */
  head?: ChainHead | undefined;
  /** The signed checkpoint that contains one of its links. */
  anchor: ChainAnchor;
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** Set when it was deleted. All events but the last are removed then. */
  deleted?: ExecutionTombstone | undefined;
}

export interface ExecutionPage {
  /** The executions, newest first. */
  executions: ExecutionSummary[];
  /** Cursor of the next page; null on the last page. */
  next_cursor: string | null;
  /** Items on all pages; with `offset` or `with_total`. */
  total?: number | undefined;
  /** As in the request; only with `offset`. */
  limit?: number | undefined;
  /** As in the request; only with `offset`. */
  offset?: number | undefined;
}

export interface ExecutionPaused {
  /** The reason that the user gave. */
  reason?: string | undefined;
  /** The user who did it. */
  by?: string | undefined;
  /** Whether running attempts were stopped too. */
  now?: boolean | undefined;
}

export interface ExecutionPausedEvent {
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** 1, 2, 3 … without gaps. */
  version: number;
  /** What happened. */
  type: 'ExecutionPaused';
  /** When it was recorded. */
  at: string;
  /** What happened. */
  data: ExecutionPaused;
  /** In place of data that are too large for the answer: where to read them. */
  data_omitted?: Omitted | undefined;
}

export interface ExecutionReopened {
  /** Whether a failure or a cancel led to it. */
  cause: string;
  /** The user who did it. */
  by?: string | undefined;
  /** The reason that the user gave. */
  reason?: string | undefined;
  /** When its time limit ends; null when there is no limit. */
  deadline_at: string | null;
}

export interface ExecutionReopenedEvent {
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** 1, 2, 3 … without gaps. */
  version: number;
  /** What happened. */
  type: 'ExecutionReopened';
  /** When it was recorded. */
  at: string;
  /** What happened. */
  data: ExecutionReopened;
  /** In place of data that are too large for the answer: where to read them. */
  data_omitted?: Omitted | undefined;
}

export interface ExecutionRescheduled {
  /** When it begins; the epoch means at once. */
  start_at: string | null;
  /** The deadline of this execution. */
  deadline_at: string | null;
  /** The user who did it. */
  by?: string | undefined;
  /** The reason that the user gave. */
  reason?: string | undefined;
}

export interface ExecutionRescheduledEvent {
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** 1, 2, 3 … without gaps. */
  version: number;
  /** What happened. */
  type: 'ExecutionRescheduled';
  /** When it was recorded. */
  at: string;
  /** What happened. */
  data: ExecutionRescheduled;
  /** In place of data that are too large for the answer: where to read them. */
  data_omitted?: Omitted | undefined;
}

export interface ExecutionRestored {
  /** The archive file that held its events. */
  archive: string;
  /** How many events were put back. */
  events: number;
  /** The version of the event that ended the execution itself: later ones are deletions and restorations. */
  ended_version: number;
  /** The user who did it. */
  by?: string | undefined;
  /** The reason that the user gave. */
  reason?: string | undefined;
}

export interface ExecutionRestoredEvent {
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** 1, 2, 3 … without gaps. */
  version: number;
  /** What happened. */
  type: 'ExecutionRestored';
  /** When it was recorded. */
  at: string;
  /** What happened. */
  data: ExecutionRestored;
  /** In place of data that are too large for the answer: where to read them. */
  data_omitted?: Omitted | undefined;
}

export interface ExecutionResult {
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** The trace of the execution, an OpenTelemetry trace id. */
  trace_id: string;
  /** Where it stands. */
  status: 'pending' | 'running' | 'paused' | 'completed' | 'failed' | 'cancelled' | 'compensation';
  /** After a wait without a result: the steps whose task no worker has taken, with the numbers of their pools. */
  queued?: QueuedStep[] | undefined;
  /** Any JSON; null unless the execution completed. */
  output?: unknown | undefined;
  /** Why it failed. Absent when it did not. */
  failure?: Failure | undefined;
  /** When it ended; null before. */
  completed_at?: string | undefined;
  /** True when this is the first answer to the same Idempotency-Key again; absent otherwise. */
  repeated?: boolean | undefined;
  /** Tokens that the agents reported (`_tokens`). */
  token_count?: number | undefined;
  /** Cost that the agents reported (`_cost`). */
  estimated_cost?: number | undefined;
  /** What it may spend, and what counts against that. Absent when nothing limits it. */
  budget?: BudgetView | undefined;
  /** Alternatives that stood in, by the step or group they stood in for. */
  served_by?: Record<string, string> | undefined;
  /** How its consensus groups voted. */
  consensus?: ConsensusView[] | undefined;
  /** The steps that were undone and those that were not. Absent when there was nothing to undo. */
  compensation?: CompensationOutcome | undefined;
}

export interface ExecutionResumed {
  /** The user who did it. */
  by?: string | undefined;
  /** The reason that the user gave. */
  reason?: string | undefined;
}

export interface ExecutionResumedEvent {
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** 1, 2, 3 … without gaps. */
  version: number;
  /** What happened. */
  type: 'ExecutionResumed';
  /** When it was recorded. */
  at: string;
  /** What happened. */
  data: ExecutionResumed;
  /** In place of data that are too large for the answer: where to read them. */
  data_omitted?: Omitted | undefined;
}

export interface ExecutionRetried {
  /** The user who did it. */
  by?: string | undefined;
  /** When its time limit ends; null when there is no limit. */
  deadline_at: string | null;
  /** The reason that the user gave. */
  reason?: string | undefined;
  /** Approvals after steps that run again: they stay when the question is the same. */
  ask_again?: string[] | undefined;
}

export interface ExecutionRetriedEvent {
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** 1, 2, 3 … without gaps. */
  version: number;
  /** What happened. */
  type: 'ExecutionRetried';
  /** When it was recorded. */
  at: string;
  /** What happened. */
  data: ExecutionRetried;
  /** In place of data that are too large for the answer: where to read them. */
  data_omitted?: Omitted | undefined;
}

export interface ExecutionStarted {
  /** The tenant that it belongs to. */
  tenant_id: string;
  /** The trace of the execution, an OpenTelemetry trace id. */
  trace_id: string;
  /** The config that is run. */
  config_id: string;
  /** Name of that config. */
  config_name: string;
  /** Version of the config with which the execution began. */
  config_version: number;
  /** Any JSON. */
  input?: unknown | undefined;
  /** The user whose API key asked for it. */
  user_id: string;
  /** The session of the caller, to find executions by. */
  session_id?: string | undefined;
  /** The user who made it. */
  created_by?: string | undefined;
  /** Called when the execution ends. */
  callback_url?: string | undefined;
  /** Whatever the user keeps with it. The platform does not read it. */
  metadata?: Record<string, unknown> | undefined;
  /** When its time limit ends. */
  deadline_at: string | null;
  /** Which of the queue's three lanes its tasks take. */
  priority?: string | undefined;
  /** The W3C trace context of the caller. */
  traceparent?: string | undefined;
  /** SHA-256 of the request, kept with an `Idempotency-Key`. */
  request_hash?: string | undefined;
  /** Nothing runs before this time; null when it ran at once. */
  start_at?: string | null | undefined;
  /** The execution that this one continues. */
  forked_from?: string | undefined;
  /** The step or consensus group of that execution from which this one runs again. */
  forked_from_step_id?: string | undefined;
  /** The budget of this start, in addition to that of the config. */
  budget?: Budget | undefined;
  /** The schedule that is informed of the end. Absent when there is none. */
  end_to?: string | undefined;
  /** The execution that has this one as a step. */
  parent?: ParentLink | undefined;
  /** Executions that must end before it begins. They must end before `deadline_at`. */
  after?: Dependency[] | undefined;
  /** Executions that wait for this one. */
  waiters?: string[] | undefined;
}

export interface ExecutionStartedEvent {
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** 1, 2, 3 … without gaps. */
  version: number;
  /** What happened. */
  type: 'ExecutionStarted';
  /** When it was recorded. */
  at: string;
  /** What happened. */
  data: ExecutionStarted;
  /** In place of data that are too large for the answer: where to read them. */
  data_omitted?: Omitted | undefined;
}

/** An execution with its input and output, and without the payloads of its steps. */
export interface ExecutionStatus {
  /** The trace of the execution, an OpenTelemetry trace id. */
  trace_id: string;
  /** The config that is run. */
  config_id: string;
  /** Name of that config. */
  config_name: string;
  /** Version of the config with which the execution began. */
  config_version: number;
  /** How the steps are ordered. */
  strategy: 'sequential' | 'parallel' | 'consensus' | 'fallback';
  /** Where it stands. */
  status: 'pending' | 'running' | 'paused' | 'completed' | 'failed' | 'cancelled' | 'compensation';
  /** Any JSON. */
  input: unknown;
  /** Any JSON; null unless the execution completed. */
  output: unknown;
  /** Why it failed. Absent when it did not. */
  failure?: Failure | undefined;
  /** The user whose API key asked for it. */
  user_id: string;
  /** The session of the caller, to find executions by. */
  session_id?: string | undefined;
  /** The tenant that it belongs to. */
  tenant_id: string;
  /** When it was made. */
  created_at: string | null;
  /** When it began to run; null before. */
  started_at: string | null;
  /** When it ended; null before. */
  completed_at?: string | null | undefined;
  /** When it was paused; null unless it is paused. */
  paused_at?: string | null | undefined;
  /** Whatever the user keeps with it. The platform does not read it. */
  metadata?: Record<string, unknown> | undefined;
  /** Milliseconds from start to end. */
  total_latency_ms?: number | undefined;
  /** Cost that agents reported (`_cost`). */
  estimated_cost: number;
  /** Tokens that agents reported (`_tokens`). */
  token_count: number;
  /** The user who made it. */
  created_by: string;
  /** Called when the execution ends. */
  callback_url?: string | undefined;
  /** Version of its newest event. */
  version: number;
  /** Its steps, in listed order. */
  steps: StepStatus[];
  /** Nothing runs before this time; null when it ran at once. */
  start_at?: string | null | undefined;
  /** The execution that this one continues. */
  forked_from?: string | undefined;
  /** Which of the queue's three lanes its tasks take. */
  priority: string;
  /** How its consensus groups voted. */
  consensus?: ConsensusView[] | undefined;
  /** The compensation of each step. */
  compensations?: CompensationView[] | undefined;
  /** When its time limit ends; null when there is no limit. */
  deadline_at?: string | null | undefined;
  /** The steps that were undone and those that were not. Absent when there was nothing to undo. */
  compensation?: CompensationOutcome | undefined;
  /** The step or consensus group of that execution from which this one runs again. */
  forked_from_step_id?: string | undefined;
  /** What it may spend, and what counts against that. Absent when nothing limits it. */
  budget?: BudgetView | undefined;
  /** In place of an output that is too large for the answer: where to read it. */
  output_omitted?: Omitted | undefined;
  /** The user who paused it. Absent unless it is paused. */
  paused_by?: string | undefined;
  /** The reason that this user gave. */
  pause_reason?: string | undefined;
  /** The user who cancelled or terminated it. */
  cancelled_by?: string | undefined;
  /** The reason that this user gave. */
  cancel_reason?: string | undefined;
  /** Whether it was ended at once, without further compensation. */
  terminated?: boolean | undefined;
  /** The last hundred commands of users to it, oldest first. */
  controls?: ControlView[] | undefined;
  /** False keeps executions of the config out of live feeds. */
  enable_monitoring?: boolean | undefined;
  /** Signals that no step has taken yet, oldest first. */
  kept_signals?: KeptSignal[] | undefined;
  /** The execution that has this one as a step. */
  parent?: ParentLink | undefined;
  /** Executions that this one has as steps. */
  children?: ChildView[] | undefined;
  /** Executions that must end before this one begins. */
  after?: DependencyView[] | undefined;
  /** What it waits for while it is `pending`: another execution, or a place under `settings.concurrency`. */
  pending_reason?: string | undefined;
  /** Set when it was put back from the archive. Then it can be read, and does not run again. */
  restored?: RestoredView | undefined;
  /** Its place under `settings.concurrency`. Absent before it asks for one, and after its end. */
  concurrency?: PlaceView | undefined;
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** The trace in Jaeger, if its address is configured. */
  trace_url?: string | undefined;
  /** What it took. */
  metrics: {
    /** From start to end; null before the end. */
    latency_ms: number | null;
    /** Cost that the agents reported (`_cost`). */
    cost: number;
    /** Tokens that the agents reported (`_tokens`). */
    tokens: number;
  };
  /** How many steps have which status. */
  step_counts: Record<string, number>;
}

export interface ExecutionSteps {
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** Where it stands. */
  status: string;
  /** Its steps, in listed order. */
  steps: StepView[];
}

export interface ExecutionSummary {
  /** Its id. */
  id: string;
  /** The trace of the execution, an OpenTelemetry trace id. */
  trace_id: string;
  /** The config that is run. */
  config_id: string;
  /** Name of that config. */
  config_name: string;
  /** Where it stands. */
  status: 'pending' | 'running' | 'paused' | 'completed' | 'failed' | 'cancelled' | 'compensation';
  /** The user whose API key asked for it. */
  user_id: string;
  /** The session of the caller, to find executions by. */
  session_id?: string | undefined;
  /** The tenant that it belongs to. */
  tenant_id: string;
  /** When it was made. */
  created_at: string | null;
  /** When it began to run; null before. */
  started_at?: string | null | undefined;
  /** When it ended; null before. */
  completed_at?: string | null | undefined;
  /** When it was paused; null unless it is paused. */
  paused_at?: string | null | undefined;
  /** Milliseconds from start to end. */
  total_latency_ms?: number | undefined;
  /** Cost that agents reported (`_cost`). */
  estimated_cost: number;
  /** The user who made it. */
  created_by: string;
  /** Tokens that agents reported (`_tokens`). */
  token_count?: number | undefined;
  /** Why it failed. Absent when it did not. */
  failure?: Failure | undefined;
  /** Up to five steps that run now. May be a moment late. */
  current_steps?: CurrentStep[] | undefined;
  /** The execution that has this one as a step. */
  parent_id?: string | undefined;
  /** When it was put back from the archive. */
  restored_at?: string | null | undefined;
}

export interface ExecutionTombstone {
  /** When it was deleted. */
  deleted_at: string | null;
  /** Who deleted it; absent when a policy did. */
  by?: string | undefined;
  /** The reason that the user gave. */
  reason?: string | undefined;
  /** The retention policy that deleted it. */
  policy?: string | undefined;
  /** How many events were deleted. */
  events: number;
  /** The archive file that holds its events; absent when they are gone for good. */
  archive?: string | undefined;
}

export interface ExecutionView {
  /** Its id. */
  id: string;
  /** The trace of the execution, an OpenTelemetry trace id. */
  trace_id: string;
  /** The config that is run. */
  config_id: string;
  /** Name of that config. */
  config_name: string;
  /** Version of the config with which the execution began. */
  config_version: number;
  /** How the steps are ordered. */
  strategy: 'sequential' | 'parallel' | 'consensus' | 'fallback';
  /** Where it stands. */
  status: 'pending' | 'running' | 'paused' | 'completed' | 'failed' | 'cancelled' | 'compensation';
  /** Any JSON. */
  input?: unknown | undefined;
  /** Any JSON. */
  output?: unknown | undefined;
  /** Why it failed. Absent when it did not. */
  failure?: Failure | undefined;
  /** The user whose API key asked for it. */
  user_id: string;
  /** The session of the caller, to find executions by. */
  session_id?: string | undefined;
  /** The tenant that it belongs to. */
  tenant_id: string;
  /** When it was made. */
  created_at: string | null;
  /** When it began to run; null before. */
  started_at: string | null;
  /** When it ended; null before. */
  completed_at?: string | null | undefined;
  /** When it was paused; null unless it is paused. */
  paused_at?: string | null | undefined;
  /** Whatever the user keeps with it. The platform does not read it. */
  metadata?: Record<string, unknown> | undefined;
  /** Milliseconds from start to end. */
  total_latency_ms?: number | undefined;
  /** Cost that agents reported (`_cost`). */
  estimated_cost: number;
  /** Tokens that agents reported (`_tokens`). */
  token_count: number;
  /** The user who made it. */
  created_by: string;
  /** Called when the execution ends. */
  callback_url?: string | undefined;
  /** Version of its newest event. */
  version: number;
  /** Its steps, in listed order. */
  steps: StepView[];
  /** Nothing runs before this time; null when it ran at once. */
  start_at?: string | null | undefined;
  /** The execution that this one continues. */
  forked_from?: string | undefined;
  /** Which of the queue's three lanes its tasks take. */
  priority: string;
  /** How its consensus groups voted. */
  consensus?: ConsensusView[] | undefined;
  /** The compensation of each step. */
  compensations?: CompensationView[] | undefined;
  /** When its time limit ends; null when there is no limit. */
  deadline_at?: string | null | undefined;
  /** The steps that were undone and those that were not. Absent when there was nothing to undo. */
  compensation?: CompensationOutcome | undefined;
  /** The step or consensus group of that execution from which this one runs again. */
  forked_from_step_id?: string | undefined;
  /** What it may spend, and what counts against that. Absent when nothing limits it. */
  budget?: BudgetView | undefined;
  /** In place of an output that is too large for the answer: where to read it. */
  output_omitted?: Omitted | undefined;
  /** The user who paused it. Absent unless it is paused. */
  paused_by?: string | undefined;
  /** The reason that this user gave. */
  pause_reason?: string | undefined;
  /** The user who cancelled or terminated it. */
  cancelled_by?: string | undefined;
  /** The reason that this user gave. */
  cancel_reason?: string | undefined;
  /** Whether it was ended at once, without further compensation. */
  terminated?: boolean | undefined;
  /** The last hundred commands of users to it, oldest first. */
  controls?: ControlView[] | undefined;
  /** False keeps executions of the config out of live feeds. */
  enable_monitoring?: boolean | undefined;
  /** Signals that no step has taken yet, oldest first. */
  kept_signals?: KeptSignal[] | undefined;
  /** The execution that has this one as a step. */
  parent?: ParentLink | undefined;
  /** Executions that this one has as steps. */
  children?: ChildView[] | undefined;
  /** Executions that must end before this one begins. */
  after?: DependencyView[] | undefined;
  /** What it waits for while it is `pending`: another execution, or a place under `settings.concurrency`. */
  pending_reason?: string | undefined;
  /** Set when it was put back from the archive. Then it can be read, and does not run again. */
  restored?: RestoredView | undefined;
  /** Its place under `settings.concurrency`. Absent before it asks for one, and after its end. */
  concurrency?: PlaceView | undefined;
}

export interface FailedItem {
  /** Position in the list, from 0. */
  index: number;
  /** Code of its failure. */
  code: string;
  /** What happened, at most 300 characters. */
  message: string;
  /** The execution of its chunk, whose step has all the details. */
  execution_id: string;
}

export interface Failure {
  /** Stable code: the platform’s, or one of the agent’s own. */
  code: string;
  /** What happened, in one sentence. */
  message: string;
  /** Whether another attempt might have helped. */
  retryable: boolean;
  /** Further details from the agent. */
  details?: Record<string, unknown> | undefined;
  /** The step or consensus group that failed. Absent where none did. */
  step_id?: string | undefined;
  /** Name of the step. */
  step_name?: string | undefined;
  /** The agent that failed. Absent where no attempt was made. */
  agent?: string | undefined;
  /** How many attempts were made. Absent where none was. */
  attempts?: number | undefined;
  /** What failed and why, as one sentence for people. */
  summary?: string | undefined;
}

export interface ForkBody {
  /** The execution's input: any JSON. Checked against the config's `input_schema` when it has one. */
  input?: unknown | undefined;
  /** Your session, to find executions; default: `session_id` of the input, if that is a text. */
  session_id?: string | undefined;
  /** Anything you want to keep with the execution. */
  metadata?: Record<string, unknown> | undefined;
  /** Called when the execution ends. */
  callback_url?: string | undefined;
  /** Nothing runs before this time; a time in the past means at once. */
  start_at?: string | undefined;
  /** The priority of its tasks; default `settings.priority` of the config. */
  priority?: 'high' | 'normal' | 'low' | undefined;
  /** Limits of the tokens and cost that agents report. The smaller limits of this and of the config’s `settings.budget` count. */
  budget?:
    | {
        /** Tokens that may be spent. */
        max_tokens?: number | undefined;
        /** Cost that may be spent; above 0. */
        max_cost?: number | undefined;
      }
    | undefined;
  /** Executions that have to end before this one begins; it is `pending` until then. When one has ended in another way, this one fails with `dependency_failed`. */
  after?:
    | {
        /** The id of an execution. */
        execution: string;
        /** How it has to end: completed; failed or cancelled; in any way. */
        on?: 'success' | 'failed' | 'finished' | undefined;
      }[]
    | undefined;
  /** Step or consensus group to run again, with everything that depends on it. Other completed steps are kept. */
  from_step_id: string;
}

export interface InboxNotification {
  /** Its id. */
  id: string;
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** The event that it is about. */
  event_type: string;
  /** What is told. */
  content: unknown;
  /** When it was made. */
  created_at: string | null;
}

export interface ItemStep {
  /** 1 to 255 characters, for people; default the name of the step. */
  name?: string | undefined;
  /** A built-in agent or one of the tenant’s; required unless another field stands in its place. */
  agent?: string | undefined;
  /** In place of an agent: an execution of another config for each item. */
  orchestration?: Orchestration | undefined;
  /** In place of an agent: a model is asked about each item. */
  llm?: Llm | undefined;
  /** In place of an agent: each item is a list again. */
  map?: Map | undefined;
  /** Mapping of the input; texts `{% … %}` are JSONata. Default: the item. */
  input?: unknown | undefined;
  /** JSONata: an item is skipped, and its result is null, unless it is true. */
  when?: string | undefined;
  /** Milliseconds that one attempt may take, from the agent’s start. Default: `60000`. */
  timeout_ms?: number | undefined;
  /** Whether and when a failed attempt is tried again, for each item by itself. */
  retry?: Retry | undefined;
  /** Milliseconds that an attempt may wait for a worker. */
  schedule_to_start_ms?: number | undefined;
  /** Milliseconds for all attempts of one item with their waits. */
  schedule_to_close_ms?: number | undefined;
  /** Milliseconds between two signs of life of the agent. */
  heartbeat_ms?: number | undefined;
}

export interface IterationCompleted {
  /** The step, by its id in the config. */
  step_id: string;
  /** Its number, from 1. */
  iteration: number;
  /** Number of the attempt, from 1; 0 before the first. */
  attempt: number;
  /** Any JSON. */
  output?: unknown | undefined;
  /** When it began to run; null before. */
  started_at: string | null;
  /** When its agent ended. */
  finished_at: string | null;
  /** Tokens that agents reported (`_tokens`). */
  token_count?: number | undefined;
  /** Cost that agents reported (`_cost`). */
  estimated_cost?: number | undefined;
  /** Version of the agent, as its worker said. */
  agent_version?: string | undefined;
  /** Input tokens among them, when the agent reports them separately. */
  input_tokens?: number | undefined;
  /** Output tokens among them, when the agent reports them separately. */
  output_tokens?: number | undefined;
}

export interface IterationCompletedEvent {
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** 1, 2, 3 … without gaps. */
  version: number;
  /** What happened. */
  type: 'IterationCompleted';
  /** When it was recorded. */
  at: string;
  /** What happened. */
  data: IterationCompleted;
  /** In place of data that are too large for the answer: where to read them. */
  data_omitted?: Omitted | undefined;
}

export interface IterationPlanned {
  /** The step, by its id in the config. */
  step_id: string;
  /** The one that follows. */
  iteration: number;
  /** It begins no earlier. */
  start_at: string | null;
}

export interface IterationPlannedEvent {
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** 1, 2, 3 … without gaps. */
  version: number;
  /** What happened. */
  type: 'IterationPlanned';
  /** When it was recorded. */
  at: string;
  /** What happened. */
  data: IterationPlanned;
  /** In place of data that are too large for the answer: where to read them. */
  data_omitted?: Omitted | undefined;
}

export interface KeptSignal {
  /** The name of the signal. */
  name: string;
  /** When the signal came. */
  received_at: string | null;
  /** The user who sent the signal. */
  received_by?: string | undefined;
}

export interface KnowledgeDocument {
  /** Its id. */
  id: string;
  /** The tenant that it belongs to. */
  tenant_id: string;
  /** The source of the document. A document with the same source replaces it. */
  source: string;
  /** Its title. */
  title: string;
  /** How many passages it was split into. */
  passages: number;
  /** When it was last changed. */
  updated_at: string | null;
  /** Whatever the user keeps with it. The platform does not read it. */
  metadata?: Record<string, unknown> | undefined;
}

export interface Links {
  /** Its name. */
  name: 'Batuta';
  /** Path below which the API is. */
  api: string;
  /** Path of this document as a page. */
  documentation: string;
  /** Path of this document as JSON. */
  openapi: string;
  /** Path of the JSON Schema of configs. */
  config_schema: string;
  /** Paths of the health checks. */
  health: {
    /** Whether the process runs. */
    live: string;
    /** Whether requests can be served. */
    ready: string;
  };
  /** Path of the metrics. */
  metrics: string;
}

export interface Liveness {
  /** Where it stands. */
  status: 'live';
}

export interface Llm {
  /** Name of one of the tenant’s models. */
  model: string;
  /** The system prompt: a text, or one expression `{% … %}`. */
  system?: string | undefined;
  /** The prompt: a text or a mapping. */
  prompt?: unknown | undefined;
  /** In place of `prompt`: an earlier conversation. */
  messages?: unknown | undefined;
  /** The tools that it may call. */
  tools?: LlmTool[] | undefined;
  /** JSON Schema of the answer, which then is the output. */
  output_schema?: Record<string, unknown> | undefined;
  /** Answers of the model. Default: `10`. */
  max_turns?: number | undefined;
  /** `fail`: the step fails; `answer`: the last turn has no tools, so that the model answers. Default: `fail`. */
  on_max_turns?: 'fail' | 'answer' | undefined;
  /** Answers in a row that do not fit `output_schema` and go back to the model. Default: `2`. */
  max_repairs?: number | undefined;
  /** Most tokens of one answer. */
  max_output_tokens?: number | undefined;
  /** The sampling temperature. */
  temperature?: number | undefined;
  /** `auto`, `none`, `required`, or the name of a tool. */
  tool_choice?: string | undefined;
}

export interface LlmTool {
  /** The tool, as the model knows it. */
  name: string;
  /** The agent that runs it; one of `agent`, `config` and `finish` is required. */
  agent?: string | undefined;
  /** Its description for the model; default: the description of the agent or config. */
  description?: string | undefined;
  /** JSON Schema of its input; default: that of the agent or config. */
  input_schema?: Record<string, unknown> | undefined;
  /** Calling it ends the step, and its input is the output. */
  finish?: boolean | undefined;
  /** Milliseconds for one attempt of a call; default: the step’s. */
  timeout_ms?: number | undefined;
  /** When a call is tried again. */
  retry?: Retry | undefined;
  /** Calls that run at once. Default: `4`. */
  parallel?: number | undefined;
  /** Bytes of a result that the model is given. Default: `65536`. */
  max_result_bytes?: number | undefined;
  /** In place of an agent: name or id of a config, of which each call is an execution. */
  config?: string | undefined;
  /** Its version; default: the newest when it is called. */
  config_version?: number | undefined;
  /** A human decides about a call before it is made. */
  approval?: ToolApproval | undefined;
  /** Calling it ends the step with what the agent or config gives. It is handed `none` of the conversation, the `last` message of the user, the `dialogue` without calls of tools, or `all`. */
  hand_over?: 'none' | 'last' | 'dialogue' | 'all' | undefined;
}

export interface LlmView {
  /** Answers of the model. */
  turns: number;
  /** Calls of the current turn. */
  calls?: ToolCallView[] | undefined;
}

export interface Map {
  /** The list: one expression `{% … %}`, or a list whose texts may be expressions. */
  items: unknown;
  /** What is done with each item. */
  step: ItemStep;
  /** Items that are worked on at once. Default: `1000`. */
  max_concurrency?: number | undefined;
  /** How many items may fail: a number, or a share of the items such as "5%". Default: `0`. */
  tolerated_failures?: number | string | undefined;
  /** The longest list; the step fails with a longer one. Default: `10000`. */
  max_items?: number | undefined;
  /** `list`: the outputs in the order of the items; `report`: also counts and failed items; `counts`: the same without the outputs. Default: `list`. */
  results?: 'list' | 'report' | 'counts' | undefined;
  /** What becomes of items in work when the step ends before them. Default: `cancel`. */
  on_parent_close?: 'cancel' | 'terminate' | 'abandon' | undefined;
}

export interface MapChunkEnded {
  /** The step, by its id in the config. */
  step_id: string;
  /** Its number, from 0. */
  chunk: number;
  /** The unit of the step that waited for it. */
  lane_id: string;
  /** Items with a result. */
  completed: number;
  /** Items that have failed. */
  failed: number;
  /** The failed items; at most 1,000 of a step are listed. */
  failed_items: FailedItem[];
  /** The outputs in the order of the items, null for failed and skipped ones. */
  results?: unknown | undefined;
  /** Whether it was stopped before each item had its outcome. */
  stopped?: boolean | undefined;
}

export interface MapChunkEndedEvent {
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** 1, 2, 3 … without gaps. */
  version: number;
  /** What happened. */
  type: 'MapChunkEnded';
  /** When it was recorded. */
  at: string;
  /** What happened. */
  data: MapChunkEnded;
  /** In place of data that are too large for the answer: where to read them. */
  data_omitted?: Omitted | undefined;
}

export interface MapStarted {
  /** The step, by its id in the config. */
  step_id: string;
  /** Items of the list. */
  total: number;
  /** The first item of each chunk. */
  starts: number[];
  /** How many items may fail. */
  tolerated: number;
  /** Hash of the list: a retry with the same list keeps the results that there are. */
  items_key: string;
  /** 1 for the first list of the step. */
  number: number;
  /** Whether results of an earlier run are kept. */
  resumed?: boolean | undefined;
}

export interface MapStartedEvent {
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** 1, 2, 3 … without gaps. */
  version: number;
  /** What happened. */
  type: 'MapStarted';
  /** When it was recorded. */
  at: string;
  /** What happened. */
  data: MapStarted;
  /** In place of data that are too large for the answer: where to read them. */
  data_omitted?: Omitted | undefined;
}

export interface MapView {
  /** Items of the list. */
  total: number;
  /** Items with a result. */
  done: number;
  /** Items that have failed. */
  failed: number;
  /** Items of the chunks in work. */
  running: number;
  /** How many items may fail. */
  tolerated: number;
  /** The failed items in the order of the list, at most 100. */
  failed_items: FailedItem[];
}

export interface McpConsentBody {
  /** All tools that may be called from now on. */
  tools: {
    /** The name of the tool. */
    name: string;
    /** Its hash in the list of tools that you have read. */
    hash: string;
  }[];
}

export interface McpServer {
  /** Its name, which steps use. */
  name: string;
  /** Where requests go. */
  url: string;
  /** Headers of requests, with references to secrets. */
  headers?: Record<string, string> | undefined;
  /** What it is for. */
  description: string;
  /** The tools that may be called, as they were when an admin consented to them. */
  tools: McpTool[];
  /** Grows with each change. */
  revision: number;
  /** When it was last changed. */
  updated_at: string | null;
  /** The tenant that it belongs to. */
  tenant_id: string;
}

export interface McpServerBody {
  /** Where requests go: http or https. */
  url: string;
  /** Headers of requests. They may refer to secrets: `Bearer {{secret:NAME}}`. */
  headers?: Record<string, string> | undefined;
  /** Its purpose. */
  description?: string | undefined;
}

export interface McpServerList {
  /** The servers, by name. */
  servers: McpServer[];
}

export interface McpTool {
  /** Its name at the server. */
  name: string;
  /** Its name for people. */
  title?: string | undefined;
  /** What the server says of it. */
  description: string;
  /** JSON Schema of its arguments. */
  input_schema: unknown;
  /** JSON Schema of its structured result. */
  output_schema?: unknown | undefined;
  /** What the server says of its effects. A tool with `readOnlyHint` or `idempotentHint` may be called again after a failure. */
  annotations?: unknown | undefined;
  /** SHA-256 of all that the server says of it. */
  hash: string;
  /** What the consent says of it: `new`, `consented`, `changed` or `gone`. */
  state?: 'new' | 'consented' | 'changed' | 'gone' | undefined;
}

export interface McpToolList {
  /** The tools, in the order of the server. */
  tools: McpTool[];
}

export interface Model {
  /** Its name, which steps use. */
  name: string;
  /** The provider: `openai`, `anthropic`, or any server with OpenAI’s API. */
  provider: string;
  /** The provider’s id of the model. */
  model: string;
  /** The address of requests, if not the provider’s usual one. */
  base_url?: string | undefined;
  /** The secret with the key, as a reference. */
  api_key?: string | undefined;
  /** What it is for. */
  description: string;
  /** Most tokens of one answer, when a call does not set it. */
  max_output_tokens?: number | undefined;
  /** The sampling temperature, when a call does not set it. */
  temperature?: number | undefined;
  /** Tokens that fit a call, its answer included. */
  context_tokens?: number | undefined;
  /** Prices of its own, instead of those of the price list. */
  prices?: ModelPrices | undefined;
  /** Grows with each change. */
  revision: number;
  /** When it was last changed. */
  updated_at: string | null;
  /** The tenant that it belongs to. */
  tenant_id: string;
  /** Whether its answers are shown as they come. */
  stream?: boolean | undefined;
}

export interface ModelAnswered {
  /** The step, by its id in the config. */
  step_id: string;
  /** Number of the attempt, from 1; 0 before the first. */
  attempt: number;
  /** Number of the model’s answer, from 1. */
  turn: number;
  /** Its words. */
  text: string;
  /** The calls that the model requests. */
  tool_calls?: ModelToolCall[] | undefined;
  /** What happens next: `tools` are called, the `model` is asked again, or the step is at its `end`. */
  next: 'tools' | 'model' | 'end';
  /** Further information for the model. */
  feedback?: string | undefined;
  /** Why the model stopped, as the provider reports it. */
  finish_reason: string;
  /** Name, provider, id and revision of the model that answered. */
  model?: Record<string, unknown> | undefined;
  /** The price that the cost was computed with; absent when none is known. */
  price?: Record<string, unknown> | undefined;
  /** When it began to run; null before. */
  started_at: string | null;
  /** When its agent ended. */
  finished_at: string | null;
  /** Tokens that agents reported (`_tokens`). */
  token_count?: number | undefined;
  /** Cost that agents reported (`_cost`). */
  estimated_cost?: number | undefined;
  /** Version of the agent, as its worker said. */
  agent_version?: string | undefined;
  /** Input tokens among them, when the agent reports them separately. */
  input_tokens?: number | undefined;
  /** Output tokens among them, when the agent reports them separately. */
  output_tokens?: number | undefined;
}

export interface ModelAnsweredEvent {
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** 1, 2, 3 … without gaps. */
  version: number;
  /** What happened. */
  type: 'ModelAnswered';
  /** When it was recorded. */
  at: string;
  /** What happened. */
  data: ModelAnswered;
  /** In place of data that are too large for the answer: where to read them. */
  data_omitted?: Omitted | undefined;
}

export interface ModelBody {
  /** The provider. `openai_compatible` is any server with OpenAI’s API, at `base_url`. */
  provider: 'openai' | 'anthropic' | 'openai_compatible';
  /** The provider’s id of the model. */
  model: string;
  /** Where requests go. */
  base_url?: string | undefined;
  /** The secret with the key, as a reference. */
  api_key?: string | undefined;
  /** Its purpose. */
  description?: string | undefined;
  /** Most tokens of one answer, when a call does not set it. */
  max_output_tokens?: number | undefined;
  /** The sampling temperature. */
  temperature?: number | undefined;
  /** Tokens that fit a call, its answer included. */
  context_tokens?: number | undefined;
  /** Whether its answers are shown as they come. */
  stream?: boolean | undefined;
  /** Its own prices, instead of those of the price list. */
  prices?:
    | {
        /** US dollars for a million input tokens. */
        input: number;
        /** US dollars for a million output tokens. */
        output: number;
      }
    | undefined;
}

export interface ModelList {
  /** The models, by name. */
  models: Model[];
}

export interface ModelPrices {
  /** US dollars for a million input tokens. */
  input: number;
  /** US dollars for a million output tokens. */
  output: number;
}

export interface ModelToolCall {
  /** The call, as the model names it. */
  id: string;
  /** The tool. */
  name: string;
  /** Any JSON. */
  input?: unknown | undefined;
  /** Why the call is not made. The model gets this text. */
  problem?: string | undefined;
}

/** The same with the steps and the settings in one object. It is stored in the flat form, with `settings.default_input` `merged` unless it says otherwise. */
export interface NestedDefinition {
  /** Where the JSON Schema of configs is, for editors. It is not stored. */
  $schema?: string | undefined;
  /** 1 to 255 characters, unique among the configs of the tenant. */
  name: string;
  /** Its purpose, for people. */
  description?: string | undefined;
  /** How the steps are ordered. */
  strategy: 'sequential' | 'parallel' | 'consensus' | 'fallback';
  /** Its steps, in listed order. */
  steps: {
    /** Its steps, in listed order. */
    steps: Step[];
    /** Settings of the whole execution. */
    settings?: Settings | undefined;
  };
  /** Whatever the user keeps with it. The platform does not read it. Its keys are names. */
  metadata?: Record<string, unknown> | undefined;
  /** Whether it is a global config. */
  is_global?: boolean | undefined;
  /** JSON Schema (draft 2020-12) that the input of a start must fit. */
  input_schema?: unknown | undefined;
  /** How groups of steps decide. A group that is not listed has the defaults. */
  consensus_groups?: ConsensusGroup[] | undefined;
  /** Mapping of the execution’s output; texts `{% … %}` are JSONata. Default: the output of the only last step, else an object of the last steps by output key. */
  output?: unknown | undefined;
}

export interface NewApiKey {
  /** Its id. */
  id: string;
  /** The tenant that it belongs to. */
  tenant_id: string;
  /** The user whose API key asked for it. */
  user_id: string;
  /** The rights of the key: `viewer` reads; `operator` also writes and runs; `admin` also manages agents and keys. */
  role: 'viewer' | 'operator' | 'admin';
  /** Its name. */
  name: string;
  /** When it was made. */
  created_at: string | null;
  /** When it ends; null when never. */
  expires_at?: string | null | undefined;
  /** When it was revoked; null while it was not. */
  revoked_at?: string | null | undefined;
  /** First characters of the key, to recognise it by. */
  prefix: string;
  /** The key itself, shown only now; absent in a repeat. */
  secret?: string | undefined;
  /** True when this is the first answer to the same Idempotency-Key again; absent otherwise. */
  repeated?: boolean | undefined;
}

export interface NewCallback {
  /** Its id. */
  id: string;
  /** The tenant that it belongs to. */
  tenant_id: string;
  /** The config whose executions it is about. */
  config_id?: string | undefined;
  /** The execution that it is about. */
  execution_id?: string | undefined;
  /** What it tells. */
  events: (
    | 'started'
    | 'completed'
    | 'failed'
    | 'cancelled'
    | 'paused'
    | 'step_failed'
    | 'approval_requested'
    | 'budget_exceeded'
  )[];
  /** Channels that take over in turn when the one before has not succeeded in time. */
  fallback?:
    | {
        /** The channel. */
        type: 'webhook' | 'email' | 'sms' | 'websocket';
        /** Attempts after the first. */
        max_retries?: number | undefined;
        /** Milliseconds that the channel before it has. */
        after_ms: number;
        /** Where to send the request: an http or https URL. */
        callback_url?: string | undefined;
        /** The method of the request. */
        callback_method?: 'POST' | 'PUT' | 'PATCH' | undefined;
        /** Sent with each request. Values of headers that carry credentials are shown as `***`. */
        callback_headers?: Record<string, string> | undefined;
        /** webhook: Liquid over `event` and `execution`: the body of the request. email: Liquid: the text of the email. sms: Liquid: the text of the message. websocket: Liquid: the content of the notification, as JSON or text. */
        callback_body_template?: string | undefined;
        /** email: Email addresses. sms: One phone number, such as +4915112345678 (E.164). websocket: One user id. Default: the user who started the execution. */
        to?: string | string[] | undefined;
        /** Liquid: the subject, on one line. */
        subject_template?: string | undefined;
        /** Liquid: the email as HTML. Values are escaped. */
        html_template?: string | undefined;
      }[]
    | undefined;
  /** The channel. */
  type: 'webhook' | 'email' | 'sms' | 'websocket';
  /** Attempts after the first. */
  max_retries?: number | undefined;
  /** Where to send the request: an http or https URL. */
  callback_url?: string | undefined;
  /** The method of the request. */
  callback_method?: 'POST' | 'PUT' | 'PATCH' | undefined;
  /** Sent with each request. Values of headers that carry credentials are shown as `***`. */
  callback_headers?: Record<string, string> | undefined;
  /** webhook: Liquid over `event` and `execution`: the body of the request. email: Liquid: the text of the email. sms: Liquid: the text of the message. websocket: Liquid: the content of the notification, as JSON or text. */
  callback_body_template?: string | undefined;
  /** email: Email addresses. sms: One phone number, such as +4915112345678 (E.164). websocket: One user id. Default: the user who started the execution. */
  to?: string | string[] | undefined;
  /** Liquid: the subject, on one line. */
  subject_template?: string | undefined;
  /** Liquid: the email as HTML. Values are escaped. */
  html_template?: string | undefined;
  /** Whether it is enabled. */
  enabled: boolean;
  /** Why it is disabled. */
  disabled_reason?: string | undefined;
  /** The user who made it. */
  created_by: string;
  /** When it was made. */
  created_at: string;
  /** When it was last changed. */
  updated_at: string;
  /** True when this is the first answer to the same Idempotency-Key again; absent otherwise. */
  repeated?: boolean | undefined;
  /** Signing secret (Standard Webhooks), shown only now. */
  secret?: string | undefined;
}

export interface NewPoolCredentials {
  /** Its id. */
  id: string;
  /** The pool whose workers run the task. */
  pool: string;
  /** Its name. */
  name: string;
  /** The user who made it. */
  created_by: string;
  /** When it was made. */
  created_at: string | null;
  /** When it ends; null when never. */
  expires_at: string | null;
  /** When it was revoked; null while it was not. */
  revoked_at?: string | null | undefined;
  /** The credentials file for a NATS client (NATS_CREDS), shown only now. */
  file?: string | undefined;
  /** PEM certificates of the authorities that may sign the NATS server’s certificate (a file for BATUTA_NATS_TLS_CA). Absent when workers do not need it. */
  tls_ca?: string | undefined;
}

export interface NotificationPage {
  /** Your open notifications, oldest first. */
  notifications: InboxNotification[];
  /** Give it as `cursor` for the next page. */
  next_cursor: string | null;
}

export interface Omitted {
  /** How many bytes it has as JSON. */
  bytes: number;
  /** Where it can be read. */
  href: string;
}

export interface Orchestration {
  /** Name or id of the config; a tenant’s own comes before a global one of the same name. */
  config: string;
  /** Its version; default: the newest when the step starts. */
  config_version?: number | undefined;
  /** What happens to the child when its step ends first. Default: `cancel`. */
  on_parent_close?: 'cancel' | 'terminate' | 'abandon' | undefined;
}

export interface OrchestrationDefinition {
  /** Where the JSON Schema of configs is, for editors. It is not stored. */
  $schema?: string | undefined;
  /** 1 to 255 characters, unique among the configs of the tenant. */
  name: string;
  /** Its purpose, for people. */
  description?: string | undefined;
  /** How the steps are ordered. */
  strategy: 'sequential' | 'parallel' | 'consensus' | 'fallback';
  /** 1 to 10,000 steps. */
  steps: Step[];
  /** Settings of the whole execution. */
  settings?: Settings | undefined;
  /** Whatever the user keeps with it. The platform does not read it. Its keys are names. */
  metadata?: Record<string, unknown> | undefined;
  /** Whether it is a global config. */
  is_global?: boolean | undefined;
  /** JSON Schema (draft 2020-12) that the input of a start must fit. */
  input_schema?: unknown | undefined;
  /** How groups of steps decide. A group that is not listed has the defaults. */
  consensus_groups?: ConsensusGroup[] | undefined;
  /** Mapping of the execution’s output; texts `{% … %}` are JSONata. Default: the output of the only last step, else an object of the last steps by output key. */
  output?: unknown | undefined;
}

export interface ParentCommanded {
  /** The command of the parent. */
  command: 'pause' | 'resume' | 'cancel' | 'terminate' | 'retry';
  /** Version of the parent’s event that asked for it. */
  order: number;
  /** Why the state of the execution did not allow it. */
  refused?: string | undefined;
}

export interface ParentCommandedEvent {
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** 1, 2, 3 … without gaps. */
  version: number;
  /** What happened. */
  type: 'ParentCommanded';
  /** When it was recorded. */
  at: string;
  /** What happened. */
  data: ParentCommanded;
  /** In place of data that are too large for the answer: where to read them. */
  data_omitted?: Omitted | undefined;
}

export interface ParentLink {
  /** The parent. */
  execution_id: string;
  /** The step of the parent. */
  step_id: string;
  /** 1 for the child of an execution without a parent. */
  depth: number;
}

export interface Passage {
  /** The document that contains it. */
  document_id: string;
  /** The source of the document. A document with the same source replaces it. */
  source: string;
  /** Its title. */
  title: string;
  /** Headings above the passage, from the top. */
  headings: string[];
  /** The passage itself. */
  text: string;
  /** Pieces of the passage with hits between `**`. */
  highlight: string;
  /** How well it matches: higher is better. */
  rank: number;
  /** Place of the passage in its document, from 0. */
  passage_index: number;
  /** Its first line in the document. */
  first_line: number;
  /** Its last line in the document. */
  last_line: number;
}

export interface Passages {
  /** The passages. */
  passages: Passage[];
}

export interface Pause {
  /** What is paused. */
  kind: 'tenant' | 'agent' | 'pool';
  /** The tenant, the agent or the pool. */
  name: string;
  /** The tenant whose tasks wait; absent: those of every tenant. */
  tenant_id?: string | undefined;
  /** Why; empty when nobody said it. */
  reason: string;
  /** Id of the user who paused it. */
  paused_by: string;
  /** Since when. */
  paused_at: string | null;
}

export interface PauseBody {
  /** Why, for people. */
  reason?: string | undefined;
  /** Also stop running attempts. They run again at the resume, and the stopped attempt does not count. */
  now?: boolean | undefined;
}

export interface PauseList {
  /** The oldest first. */
  pauses: Pause[];
}

export interface PlaceAwaited {
  /** The limiter that has no free place. */
  limiter_id: string;
  /** Its place in the queue when it joined; 1 is the next one. */
  position: number;
  /** How many executions held places then. */
  held: number;
  /** The limit of the newest version of the config. */
  limit: number;
}

export interface PlaceAwaitedEvent {
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** 1, 2, 3 … without gaps. */
  version: number;
  /** What happened. */
  type: 'PlaceAwaited';
  /** When it was recorded. */
  at: string;
  /** What happened. */
  data: PlaceAwaited;
  /** In place of data that are too large for the answer: where to read them. */
  data_omitted?: Omitted | undefined;
}

export interface PlaceRequested {
  /** The limiter that grants places for this config and key. */
  limiter_id: string;
  /** The value of `settings.concurrency.key`; empty when there is none. */
  key: string;
  /** How many executions with this key run at once. */
  limit: number;
  /** What happens when no place is free. */
  on_limit: 'queue' | 'reject' | 'cancel_oldest' | 'cancel_newest';
  /** The place must be granted before this time. */
  deadline_at: string | null;
}

export interface PlaceRequestedEvent {
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** 1, 2, 3 … without gaps. */
  version: number;
  /** What happened. */
  type: 'PlaceRequested';
  /** When it was recorded. */
  at: string;
  /** What happened. */
  data: PlaceRequested;
  /** In place of data that are too large for the answer: where to read them. */
  data_omitted?: Omitted | undefined;
}

export interface PlaceTaken {
  /** The limiter that granted the place. */
  limiter_id: string;
  /** The deadline of the execution. */
  deadline_at: string | null;
}

export interface PlaceTakenEvent {
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** 1, 2, 3 … without gaps. */
  version: number;
  /** What happened. */
  type: 'PlaceTaken';
  /** When it was recorded. */
  at: string;
  /** What happened. */
  data: PlaceTaken;
  /** In place of data that are too large for the answer: where to read them. */
  data_omitted?: Omitted | undefined;
}

export interface PlaceView {
  /** The limiter of its config and key. */
  limiter_id: string;
  /** The value of `settings.concurrency.key`. */
  key: string;
  /** How many executions with this key run at once. */
  limit: number;
  /** Whether it waits for a place, or holds one. */
  state: 'waiting' | 'held';
  /** While it waits: its place in the queue when it joined; 1 was the next one. */
  position?: number | undefined;
  /** While it waits: how many executions held places when it joined. */
  held?: number | undefined;
  /** Since when it waits, or holds its place. */
  since: number;
}

export interface PoolCredentials {
  /** Its id. */
  id: string;
  /** The pool whose workers run the task. */
  pool: string;
  /** Its name. */
  name: string;
  /** The user who made it. */
  created_by: string;
  /** When it was made. */
  created_at: string | null;
  /** When it ends; null when never. */
  expires_at: string | null;
  /** When it was revoked; null while it was not. */
  revoked_at?: string | null | undefined;
}

export interface PoolCredentialsBody {
  /** A name to recognise the credentials. */
  name?: string | undefined;
  /** When the credentials expire; default: in 30 days. */
  expires_at?: string | undefined;
}

export interface PoolCredentialsPage {
  /** The credentials, without their files. */
  credentials: PoolCredentials[];
  /** Cursor of the next page; null on the last page. */
  next_cursor: string | null;
}

export interface PoolList {
  /** The pools. */
  pools: PoolView[];
}

export interface PoolView {
  /** The pool whose workers run the task. */
  pool: string;
  /** Workers of the pool that were seen in the last 30 s. */
  workers: number;
  /** How many attempts they can run at once. */
  slots: number;
  /** How many of those are free. */
  free: number;
  /** Tasks that wait in the queue of the pool. */
  backlog: number;
  /** Tasks that workers of the pool have taken. */
  taken: number;
  /** Agents that the pool serves. */
  agents: string[];
  /** The pause that holds it back. Absent when there is none. */
  paused?: Pause | undefined;
}

export interface PreviewBody {
  /** When it is due. */
  timetable: Timetable;
}

/** Problem details (RFC 9457). */
export interface Problem {
  /** `urn:batuta:problem:<code>` */
  type: string;
  /** What went wrong, the same for each code. */
  title: string;
  /** The HTTP status. */
  status: number;
  /** What went wrong this time. */
  detail: string;
  /** Stable. Decide by this field. */
  code:
    | 'validation_failed'
    | 'malformed_json'
    | 'malformed_request'
    | 'too_deep'
    | 'forbidden_key'
    | 'unauthenticated'
    | 'forbidden'
    | 'not_an_approver'
    | 'not_found'
    | 'step_not_found'
    | 'signal_not_found'
    | 'method_not_allowed'
    | 'request_timeout'
    | 'conflict'
    | 'name_taken'
    | 'pool_taken'
    | 'already_exists'
    | 'already_completed'
    | 'already_failed'
    | 'already_cancelled'
    | 'already_started'
    | 'already_paused'
    | 'already_compensated'
    | 'already_decided'
    | 'not_ended'
    | 'not_running'
    | 'not_paused'
    | 'not_applicable'
    | 'not_retryable'
    | 'not_awaiting_approval'
    | 'not_awaiting_signal'
    | 'not_monitored'
    | 'compensating'
    | 'nothing_to_compensate'
    | 'step_already_finished'
    | 'execution_restored'
    | 'archive_broken'
    | 'not_archived'
    | 'execution_deleted'
    | 'version_conflict'
    | 'payload_too_large'
    | 'uri_too_long'
    | 'unsupported_media_type'
    | 'expectation_failed'
    | 'idempotency_mismatch'
    | 'input_invalid'
    | 'upgrade_required'
    | 'precondition_required'
    | 'rate_limited'
    | 'limit_reached'
    | 'headers_too_large'
    | 'internal'
    | 'unavailable';
  /** The requested path. */
  instance?: string | undefined;
  /** Every mistake of the request. */
  errors?:
    | {
        /** JSON Pointer (RFC 6901) of the value, "" for the whole document. */
        path: string;
        /** What happened, in one sentence. */
        message: string;
        /** Stable code of the rule that was broken. */
        code: string;
      }[]
    | undefined;
  /** The trace of the request, when there is one. */
  trace_id?: string | undefined;
  /** The `X-Request-Id` of the answer; it is in the logs too. */
  request_id?: string | undefined;
  /** More about it, by code. */
  details?: Record<string, unknown> | undefined;
}

export interface Process {
  /** Its id. */
  id: string;
  /** The config that it is. */
  config_id: string;
  /** Its steps, in the order in which they run. */
  steps: ProcessStep[];
  /** Processes whose newest runs have to end first. */
  after: {
    /** The process. */
    process: string;
    /** How its run has to end. */
    on?: 'success' | 'failed' | 'finished' | undefined;
  }[];
  /** How it goes on. */
  config: {
    /** A failure does not end the run. */
    continue_on_error?: boolean | undefined;
  };
  /** Where it stands. */
  status: 'PENDING' | 'RUNNING' | 'COMPLETED' | 'FAILED' | 'PAUSED';
  /** Grows by one with each change. */
  version: number;
  /** The user who made it. */
  created_by: string;
  /** When it was made. */
  created_at: string;
  /** When it was last changed. */
  updated_at: string;
  /** The newest run; null when there is none. */
  last_run: {
    /** The run. */
    id: string;
    /** Where it stands. */
    status: 'PENDING' | 'RUNNING' | 'COMPLETED' | 'FAILED' | 'PAUSED';
    /** When it was started. */
    created_at: string;
  } | null;
  /** True when this is the first answer to the same Idempotency-Key again; absent otherwise. */
  repeated?: boolean | undefined;
}

/** A process. */
export interface ProcessBody {
  /** Its id, as dependencies name it. */
  id: string;
  /** Its steps, in the order in which they run. */
  steps: ProcessStep[];
  /** Processes whose newest runs have to complete first. */
  dependencies?: string[] | undefined;
  /** Processes whose newest runs have to end first. */
  after?:
    | {
        /** The process. */
        process: string;
        /** How its run has to end. */
        on?: 'success' | 'failed' | 'finished' | undefined;
      }[]
    | undefined;
  /** How it goes on. */
  config?:
    | {
        /** A failure does not end the run. */
        continue_on_error?: boolean | undefined;
      }
    | undefined;
}

export interface ProcessPage {
  /** Processes. */
  processes: Process[];
  /** Cursor of the next page; null on the last page. */
  next_cursor: string | null;
}

export interface ProcessRun {
  /** The run, and the execution that it is. */
  id: string;
  /** Where it stands. */
  status: 'PENDING' | 'RUNNING' | 'COMPLETED' | 'FAILED' | 'PAUSED';
  /** The status of the execution. */
  execution_status: 'pending' | 'running' | 'paused' | 'completed' | 'failed' | 'cancelled' | 'compensation';
  /** When it was started. */
  created_at: string;
  /** When it began. */
  started_at: string | null;
  /** When it ended. */
  completed_at: string | null;
  /** The user who started it. */
  started_by: string;
  /** What it gave. */
  output: unknown;
  /** In place of an output that is too large for the answer: where to read it. */
  output_omitted?: Omitted | undefined;
  /** Why it failed; null when it did not. */
  failure: Failure | null;
  /** What it waits for, in words; null when it does not wait. */
  pending_reason: string | null;
  /** What has or had to end before it begins. */
  waits_for: {
    /** The execution. */
    execution_id: string;
    /** The process that it is a run of. */
    process: string | null;
    /** How it has to end. */
    on: 'success' | 'failed' | 'finished';
    /** Where it stands. */
    state: 'not_started' | 'waiting' | 'met' | 'failed';
  }[];
  /** What became of each. */
  steps: ProcessStepRun[];
  /** True when this is the first answer to the same Idempotency-Key again; absent otherwise. */
  repeated?: boolean | undefined;
}

export interface ProcessRunPage {
  /** Runs, the newest first. */
  runs: ProcessRun[];
  /** Cursor of the next page; null on the last page. */
  next_cursor: string | null;
}

/** A step of a process. */
export interface ProcessStep {
  /** The step. */
  id: string;
  /** What it is. */
  type: 'workflow' | 'task';
  /** Of a workflow: its name or id. */
  name?: string | undefined;
  /** Of a workflow: its input, a mapping. */
  input?: Record<string, unknown> | undefined;
  /** What runs, and its input beside `type`. */
  task_data?:
    | {
        /** The agent or config that runs. */
        type: string;
      }
    | undefined;
  /** Milliseconds that one attempt may take. */
  timeout_ms?: number | undefined;
  /** When a failed attempt is made again, as in a config. */
  retry?:
    | {
        /** Attempts in all, the first one included. */
        max_attempts?: number | undefined;
        /** Milliseconds before the second attempt. */
        backoff_ms?: number | undefined;
        /** Each wait is this many times the one before. */
        backoff_coefficient?: number | undefined;
        /** The longest wait, in milliseconds; default one hour. */
        max_backoff_ms?: number | undefined;
        /** `full`: each wait is random between 0 and its length; `none`: exactly its length. */
        jitter?: 'full' | 'none' | undefined;
        /** Codes of failures after which there is no further attempt. */
        non_retryable?: string[] | undefined;
        /** No attempt begins later than these milliseconds after the first was scheduled. */
        total_timeout_ms?: number | undefined;
      }
    | undefined;
}

export interface ProcessStepRun {
  /** The step. */
  id: string;
  /** What it runs. */
  type: string;
  /** Where it stands. */
  status: 'pending' | 'running' | 'completed' | 'failed' | 'skipped' | 'paused';
  /** When it began. */
  started_at: string | null;
  /** When it ended. */
  completed_at: string | null;
  /** What it gave; null when it gave nothing. */
  output: unknown;
  /** In place of an output that is too large for the answer: where to read it. */
  output_omitted?: Omitted | undefined;
  /** Why it failed; null when it did not. */
  failure: Failure | null;
  /** The execution that it is; null when an agent runs it. */
  execution_id: string | null;
}

export interface QueuedStep {
  /** When its task was given to the queue. */
  since_at: string | null;
  /** The pool whose workers run the task. */
  pool: string;
  /** Workers of the pool that were seen in the last 30 s. */
  workers: number;
  /** How many attempts they can run at once. */
  slots: number;
  /** Tasks that wait in the queue of the pool. */
  backlog: number;
  /** The pause that holds it back. Absent when there is none. */
  paused?: Pause | undefined;
  /** The step. */
  step_id?: string | undefined;
}

export interface QueuedView {
  /** When its task was given to the queue. */
  since_at: string | null;
  /** The pool whose workers run the task. */
  pool: string;
  /** Workers of the pool that were seen in the last 30 s. */
  workers: number;
  /** How many attempts they can run at once. */
  slots: number;
  /** Tasks that wait in the queue of the pool. */
  backlog: number;
  /** The pause that holds it back. Absent when there is none. */
  paused?: Pause | undefined;
}

export interface Readiness {
  /** Where it stands. */
  status: 'ready' | 'not_ready';
  /** The result of each check. */
  checks: Record<string, string>;
}

export interface ReasonBody {
  /** Why, for people. */
  reason?: string | undefined;
}

export interface RedrivenDelivery {
  /** Its id. */
  id: string;
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** The channel. */
  callback_type: string;
  /** The destination. References to secrets are not resolved. */
  callback_url: string;
  /** Method of the request; default `POST`. */
  callback_method?: string | undefined;
  /** Where it stands. */
  status: string;
  /** How many attempts failed and were tried again. */
  retry_count: number;
  /** How often a failed attempt is repeated. */
  max_retries: number;
  /** When the last attempt was made. */
  last_retry_at?: string | null | undefined;
  /** HTTP status of the last answer. */
  response_status?: number | undefined;
  /** Beginning of the last answer. */
  response_body?: string | undefined;
  /** When it was made. */
  created_at: string | null;
  /** When it was sent; null before. */
  sent_at?: string | null | undefined;
  /** When it ended; null before. */
  completed_at?: string | null | undefined;
  /** The callback; empty for the short form `callback_url`. */
  callback_id?: string | undefined;
  /** The event that it is about. */
  event_type: string;
  /** Version of that event. */
  event_version: number;
  /** 0 for the callback’s own channel, then its fallbacks. */
  channel: number;
  /** Why the last attempt failed. */
  error?: string | undefined;
  /** When the next attempt is made; null when there is none. */
  next_attempt_at?: string | null | undefined;
  /** Whether it was given up. */
  dead_letter: boolean;
  /** Every attempt, in order. */
  attempts?: DeliveryAttempt[] | undefined;
  /** True when this is the first answer to the same Idempotency-Key again; absent otherwise. */
  repeated?: boolean | undefined;
}

export interface Repeat {
  /** JSONata over `iteration`, `result`, `results` and what an input mapping sees. It is evaluated after each iteration. */
  until: string;
  /** Times that it runs at most. Default: `100`. */
  max_iterations?: number | undefined;
  /** Milliseconds between the end of an iteration and the next one. Default: `0`. */
  delay_ms?: number | undefined;
  /** When `until` is not true after `max_iterations`: `fail`, or `complete` with the last result. Default: `fail`. */
  on_max?: 'fail' | 'complete' | undefined;
}

export interface RepeatView {
  /** Iterations that are done. */
  iterations: number;
  /** Most that there may be. */
  max_iterations: number;
  /** Results of the latest iterations, oldest first: at most 100, and 262,144 bytes in all. */
  results: unknown[];
  /** When the next iteration begins; only between two. */
  next_at?: string | null | undefined;
}

/** The new time of a task. */
export interface RescheduleBody {
  /** The new time; a time in the past means at once. */
  scheduled_time: string;
  /** Why. */
  reason?: string | undefined;
}

export interface RestoredView {
  /** When it was put back. */
  at: string | null;
  /** Who asked for it. */
  by?: string | undefined;
  /** Why. */
  reason?: string | undefined;
  /** The archive file that held it. */
  archive: string;
}

export interface RetentionPolicies {
  /** By name. */
  policies: RetentionPolicy[];
}

export interface RetentionPolicy {
  /** Its name. Deleted executions show it. */
  name: string;
  /** Only executions of this config, and only this policy applies to them. Absent: all configs that no policy names. */
  config_id?: string | undefined;
  /** Only executions that ended with these statuses; an empty list means all. */
  statuses: string[];
  /** Milliseconds since their end. */
  older_than_ms?: number | undefined;
  /** How many of the newest are always kept. */
  keep_newest?: number | undefined;
  /** What is done with them: `archive` puts them into the archive first. */
  action: 'delete' | 'archive';
  /** Grows by one with each change. */
  version: number;
  /** When it was made. */
  created_at: string | null;
  /** When it was last changed. */
  updated_at: string | null;
  /** Who changed it last. */
  updated_by: string;
}

/** With `older_than_ms`, `keep_newest` or both. */
export interface RetentionPolicyBody {
  /** Only executions of this config, and only this policy applies to them. Absent: all configs that no policy names. */
  config_id?: string | undefined;
  /** Only executions that ended with these statuses; an empty list means all. */
  statuses?: ('completed' | 'failed' | 'cancelled')[] | undefined;
  /** Milliseconds since their end. */
  older_than_ms?: number | undefined;
  /** How many of the newest are always kept. */
  keep_newest?: number | undefined;
  /** What is done with them. `archive` puts them into the archive first; it is refused where the platform has none. */
  action?: 'delete' | 'archive' | undefined;
}

export interface Retry {
  /** Attempts in all, the first one included. Default: `1`. */
  max_attempts?: number | undefined;
  /** Milliseconds before the second attempt. */
  backoff_ms?: number | undefined;
  /** Each wait is this many times the one before. Default: `2`. */
  backoff_coefficient?: number | undefined;
  /** The longest wait, in milliseconds; default one hour. */
  max_backoff_ms?: number | undefined;
  /** `full`: each wait is random between 0 and its length; `none`: exactly its length. Default: `full`. */
  jitter?: 'full' | 'none' | undefined;
  /** Codes of failures after which there is no further attempt. */
  non_retryable?: string[] | undefined;
  /** No attempt begins later than these milliseconds after the first was scheduled. */
  total_timeout_ms?: number | undefined;
}

export interface ReusedApproval {
  /** The question to the approver. */
  message: string;
  /** Any JSON. */
  input?: unknown | undefined;
  /** The users who may decide; absent when every operator may. */
  approvers?: string[] | undefined;
  /** When the human was asked. */
  requested_at: string | null;
  /** When it was decided. */
  decided_at: string | null;
  /** The user who did it. */
  by?: string | undefined;
  /** The comment of the user who decided. */
  comment?: string | undefined;
  /** Any JSON that the approver sent. */
  data?: unknown | undefined;
  /** Whether time decided. */
  timed_out?: boolean | undefined;
}

export interface Route {
  /** `rules`: the first candidate whose `when` is true or whose `keywords` are in the message; `semantic`: the one whose description or example means the most similar; `model`: a model chooses; `hybrid`: the rules, then the meaning, then the model, as far as their models are named. Default: `rules`. */
  mode?: 'rules' | 'semantic' | 'model' | 'hybrid' | undefined;
  /** Among what it chooses, in order. */
  candidates: RouteCandidate[];
  /** What is decided about: a text or a mapping; default `message` of the input, or all of it. */
  message?: unknown | undefined;
  /** Name of one of the tenant’s models, which chooses. */
  model?: string | undefined;
  /** What the model is told besides the candidates. */
  instructions?: string | undefined;
  /** A less similar or less certain candidate does not count. Default: `0.5`. */
  min_confidence?: number | undefined;
  /** The candidate that is chosen when no other is; without it the step fails then. */
  fallback?: string | undefined;
  /** Name of one of the tenant’s models, whose embeddings tell how similar meanings are. */
  embedding_model?: string | undefined;
}

export interface RouteAsked {
  /** The step, by its id in the config. */
  step_id: string;
  /** The unit that asks. Its attempts have this id. */
  asked_id: string;
  /** Who is asked. */
  by: 'semantic' | 'model';
}

export interface RouteAskedEvent {
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** 1, 2, 3 … without gaps. */
  version: number;
  /** What happened. */
  type: 'RouteAsked';
  /** When it was recorded. */
  at: string;
  /** What happened. */
  data: RouteAsked;
  /** In place of data that are too large for the answer: where to read them. */
  data_omitted?: Omitted | undefined;
}

export interface RouteCandidate {
  /** Its name, by which the decision names it. */
  name: string;
  /** Who does it; one of `agent` and `config` is required. */
  agent?: string | undefined;
  /** In place of an agent: name or id of a config, an execution of which does it. */
  config?: string | undefined;
  /** Its version; default the newest when it is chosen. */
  config_version?: number | undefined;
  /** What it is for. Models are told. */
  description?: string | undefined;
  /** Messages that are for it. Models are told. */
  examples?: string[] | undefined;
  /** Words, or several in a row, of which a message for it has one. Case does not matter. */
  keywords?: string[] | undefined;
  /** JSONata condition: when it is true, the message is for it. */
  when?: string | undefined;
  /** Milliseconds for one attempt of its agent; default: the step’s. */
  timeout_ms?: number | undefined;
  /** When a failed attempt of its agent is tried again. */
  retry?: Retry | undefined;
}

export interface RouteDecided {
  /** The step, by its id in the config. */
  step_id: string;
  /** Name of the candidate. */
  chosen: string;
  /** The unit where it runs, `<step>:<candidate>:1`. Its attempts have this id. */
  chosen_id: string;
  /** What the decision follows from; `fallback` when nothing decided. */
  by: 'rules' | 'semantic' | 'model' | 'fallback';
  /** From 0 to 1. */
  confidence: number;
  /** The scores that are known, best first. */
  scores?: RouteScore[] | undefined;
  /** Why, in words. */
  reason: string;
  /** Name, provider, id and revision of the model that was asked; absent when none was. */
  model?: Record<string, unknown> | undefined;
  /** Tokens that the decision took. */
  tokens?: number | undefined;
}

export interface RouteDecidedEvent {
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** 1, 2, 3 … without gaps. */
  version: number;
  /** What happened. */
  type: 'RouteDecided';
  /** When it was recorded. */
  at: string;
  /** What happened. */
  data: RouteDecided;
  /** In place of data that are too large for the answer: where to read them. */
  data_omitted?: Omitted | undefined;
}

export interface RouteScore {
  /** Name of the candidate. */
  candidate: string;
  /** From 0 to 1. */
  score: number;
}

export interface RouteView {
  /** Name of the candidate. */
  chosen: string;
  /** The unit where it runs, `<step>:<candidate>:1`. */
  chosen_id: string;
  /** What the decision follows from; `fallback` when nothing decided. */
  by: 'rules' | 'semantic' | 'model' | 'fallback';
  /** From 0 to 1. */
  confidence: number;
  /** The scores that are known, best first. */
  scores?: RouteScore[] | undefined;
  /** Why, in words. */
  reason: string;
  /** Tokens that the decision took. */
  tokens?: number | undefined;
  /** Name, provider, id and revision of the model that was asked. */
  model?: Record<string, unknown> | undefined;
}

/** What a run is started with. */
export interface RunBody {
  /** The input of the run. */
  input?: unknown | undefined;
  /** Nothing runs before this time. */
  start_at?: string | undefined;
  /** The queue of its tasks. */
  priority?: 'high' | 'normal' | 'low' | undefined;
}

export interface Schedule {
  /** The schedule. */
  id: string;
  /** The tenant that it belongs to. */
  tenant_id: string;
  /** Where it stands. */
  status: 'active' | 'paused' | 'finished' | 'deleted';
  /** Grows by one with each change of its fields. */
  version: number;
  /** What it is called. */
  name: string;
  /** The config whose executions it starts: its id or name. Answers have the id. */
  config: string;
  /** The version that it starts. Default: the newest one at each firing. */
  config_version?: number | undefined;
  /** When it is due. */
  timetable: Timetable;
  /** The input of its executions: a mapping over `schedule` (`id`, `name`), `nominal_time` and `cause`. */
  input?: unknown | undefined;
  /** The session of its executions. */
  session_id?: string | undefined;
  /** Metadata of its executions, together with `schedule_id` and `nominal_time`. */
  metadata?: Record<string, unknown> | undefined;
  /** The priority of its executions. */
  priority?: 'high' | 'normal' | 'low' | undefined;
  /** Each start is delayed by less than this. The same time always has the same delay. */
  jitter_ms?: number | undefined;
  /** What to do with a time that comes while an execution runs. */
  overlap?: 'skip' | 'buffer_one' | 'buffer_all' | 'cancel_other' | 'terminate_other' | 'allow' | undefined;
  /** Of `buffer_all`: how many times wait at most. */
  buffer_limit?: number | undefined;
  /** What to do with times that passed while the platform could not start them. */
  missed?:
    | {
        /** Which of them start. */
        runs?: 'skip' | 'latest' | 'all' | undefined;
        /** Older times start nothing. */
        window_ms?: number | undefined;
        /** Of `all`: how many start at most. */
        limit?: number | undefined;
      }
    | undefined;
  /** It pauses when an execution fails or cannot be started. */
  pause_on_failure?: boolean | undefined;
  /** It ends after this many executions. */
  max_runs?: number | undefined;
  /** The user who made it. Its executions are this user’s. */
  created_by: string;
  /** When it was made. */
  created_at: string;
  /** When it was last changed. */
  updated_at: string;
  /** Who paused it and why; null when it is not paused. */
  paused: {
    /** The user who did it; empty when a failure did. */
    by: string;
    /** Why. */
    reason: string;
    /** Who paused it. */
    cause: 'user' | 'failure';
  } | null;
  /** The next time of the timetable; null when there is none. */
  next_at: string | null;
  /** When it last started an execution. */
  last_fired_at: string | null;
  /** The execution that it started last. */
  last_execution_id: string | null;
  /** Executions whose end it waits for. */
  running: ScheduleRun[];
  /** Times whose executions wait for a running one. */
  waiting: string[];
  /** How its times and executions ended. */
  counts: ScheduleCounts;
  /** Executions left of `max_runs`; null without it. */
  remaining_runs: number | null;
  /** True when this is the first answer to the same Idempotency-Key again; absent otherwise. */
  repeated?: boolean | undefined;
}

export interface ScheduleBody {
  /** What it is called. */
  name: string;
  /** The config whose executions it starts: its id or name. Answers have the id. */
  config: string;
  /** The version that it starts. Default: the newest one at each firing. */
  config_version?: number | undefined;
  /** When it is due. */
  timetable: Timetable;
  /** The input of its executions: a mapping over `schedule` (`id`, `name`), `nominal_time` and `cause`. */
  input?: unknown | undefined;
  /** The session of its executions. */
  session_id?: string | undefined;
  /** Metadata of its executions, together with `schedule_id` and `nominal_time`. */
  metadata?: Record<string, unknown> | undefined;
  /** The priority of its executions. */
  priority?: 'high' | 'normal' | 'low' | undefined;
  /** Each start is delayed by less than this. The same time always has the same delay. */
  jitter_ms?: number | undefined;
  /** What to do with a time that comes while an execution runs. */
  overlap?: 'skip' | 'buffer_one' | 'buffer_all' | 'cancel_other' | 'terminate_other' | 'allow' | undefined;
  /** Of `buffer_all`: how many times wait at most. */
  buffer_limit?: number | undefined;
  /** What to do with times that passed while the platform could not start them. */
  missed?:
    | {
        /** Which of them start. */
        runs?: 'skip' | 'latest' | 'all' | undefined;
        /** Older times start nothing. */
        window_ms?: number | undefined;
        /** Of `all`: how many start at most. */
        limit?: number | undefined;
      }
    | undefined;
  /** It pauses when an execution fails or cannot be started. */
  pause_on_failure?: boolean | undefined;
  /** It ends after this many executions. */
  max_runs?: number | undefined;
}

export interface ScheduleCounts {
  /** Executions that it has asked for. */
  fired: number;
  /** Times that started nothing. */
  skipped: number;
  /** Executions that could not be started. */
  refused: number;
  /** Executions that completed. */
  completed: number;
  /** Executions that failed. */
  failed: number;
  /** Executions that were cancelled. */
  cancelled: number;
}

export interface ScheduleEvent {
  /** Its position in the history. */
  version: number;
  /** What happened. */
  type:
    | 'ScheduleCreated'
    | 'ScheduleUpdated'
    | 'SchedulePaused'
    | 'ScheduleResumed'
    | 'ScheduleFired'
    | 'ScheduleBuffered'
    | 'ScheduleSkipped'
    | 'ScheduleStartAnswered'
    | 'ScheduleExecutionEnded'
    | 'ScheduleOthersStopped'
    | 'ScheduleRunsChecked'
    | 'ScheduleFinished'
    | 'ScheduleDeleted';
  /** When it happened. */
  at: string;
  /** Its details. */
  data: Record<string, unknown>;
}

export interface ScheduleHistory {
  /** The events, in order. */
  events: ScheduleEvent[];
  /** Cursor of the next page; null on the last page. */
  next_cursor: string | null;
}

export interface SchedulePage {
  /** Schedules. */
  schedules: Schedule[];
  /** Cursor of the next page; null on the last page. */
  next_cursor: string | null;
}

export interface SchedulePreview {
  /** The next times. */
  times: string[];
}

/** Why. */
export interface ScheduleReason {
  /** Why. */
  reason?: string | undefined;
}

export interface ScheduleRun {
  /** The execution. */
  execution_id: string;
  /** The time that it was started for. */
  nominal_at: string;
  /** Why it was started. */
  cause: 'schedule' | 'missed' | 'trigger' | 'backfill';
}

export interface SecretBody {
  /** The secret itself. No answer has it. */
  value: string;
  /** Its purpose. */
  description?: string | undefined;
}

export interface SecretInfo {
  /** Its name: configs refer to it as `{{secret:NAME}}`. */
  name: string;
  /** Grows by one with each change. */
  version: number;
  /** What it is for. */
  description: string;
  /** When it was made. */
  created_at: string | null;
  /** When it was last changed. */
  updated_at: string | null;
  /** When its value was last given to a runner or a delivery, to the minute; null when never. */
  last_used_at?: string | null | undefined;
  /** Who changed it last. */
  updated_by: string;
}

export interface SecretPage {
  /** The secrets, without their values. */
  secrets: SecretInfo[];
  /** Cursor of the next page; null on the last page. */
  next_cursor: string | null;
}

export interface Settings {
  /** How many steps run at once; 0: any number. Default: `0`. */
  parallel_limit?: number | undefined;
  /** Share of members that must succeed in groups of mode `quorum`. Default: `0.8`. */
  consensus_threshold?: number | undefined;
  /** Called when an execution has ended. */
  callback_url?: string | undefined;
  /** Milliseconds that an execution may take; default 30 days. */
  timeout_ms?: number | undefined;
  /** Which of the queue’s three lanes tasks take. Default: `normal`. */
  priority?: 'high' | 'normal' | 'low' | undefined;
  /** What an execution may spend. */
  budget?: Budget | undefined;
  /** The form of dependencies’ outputs in the input of a step without a mapping. Default: `keyed`. */
  default_input?: 'keyed' | 'merged' | undefined;
  /** False keeps executions of the config out of live feeds. Default: `true`. */
  enable_monitoring?: boolean | undefined;
  /** The effect of the failure of a step or consensus group that does not say so itself. Default: `abort`. */
  on_failure?: 'abort' | 'continue' | 'fallback' | undefined;
  /** How many executions with the same key run at once. */
  concurrency?: Concurrency | undefined;
}

/** Any settings; null removes a setting. */
export interface SettingsPatch {
  /** How many steps run at once; 0: any number. Default: `0`. */
  parallel_limit?: number | null | undefined;
  /** Share of members that must succeed in groups of mode `quorum`. Default: `0.8`. */
  consensus_threshold?: number | null | undefined;
  /** Called when an execution has ended. */
  callback_url?: string | null | undefined;
  /** Milliseconds that an execution may take; default 30 days. */
  timeout_ms?: number | null | undefined;
  /** Which of the queue’s three lanes tasks take. Default: `normal`. */
  priority?: 'high' | 'normal' | 'low' | null | undefined;
  /** What it may spend, and what counts against that. Absent when nothing limits it. */
  budget?: Budget | null | undefined;
  /** The form of dependencies’ outputs in the input of a step without a mapping. Default: `keyed`. */
  default_input?: 'keyed' | 'merged' | null | undefined;
  /** False keeps executions of the config out of live feeds. Default: `true`. */
  enable_monitoring?: boolean | null | undefined;
  /** The effect of the failure of a step or consensus group that does not say so itself. Default: `abort`. */
  on_failure?: 'abort' | 'continue' | 'fallback' | null | undefined;
  /** Its place under `settings.concurrency`. Absent before it asks for one, and after its end. */
  concurrency?: Concurrency | null | undefined;
}

export interface Signal {
  /** The name that senders use. Several steps may wait for the same name: each takes one signal. */
  name: string;
  /** JSON Schema (draft 2020-12) that the payload must fit. */
  schema?: unknown | undefined;
  /** Milliseconds to wait; default as long as the execution lives. */
  timeout_ms?: number | undefined;
  /** `fail`: the step fails with `signal_timeout`; `continue`: its output is `default`. */
  on_timeout?: 'fail' | 'continue' | undefined;
  /** The output of the step when no signal came in time, with `on_timeout: continue`. */
  default?: unknown | undefined;
}

export interface SignalAwaited {
  /** The step, by its id in the config. */
  step_id: string;
  /** The name of the signal. */
  name: string;
  /** When its time limit ends; null when there is no limit. */
  deadline_at?: string | null | undefined;
  /** Version of the event of the signal that had arrived before. */
  taken?: number | undefined;
}

export interface SignalAwaitedEvent {
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** 1, 2, 3 … without gaps. */
  version: number;
  /** What happened. */
  type: 'SignalAwaited';
  /** When it was recorded. */
  at: string;
  /** What happened. */
  data: SignalAwaited;
  /** In place of data that are too large for the answer: where to read them. */
  data_omitted?: Omitted | undefined;
}

export interface SignalBody {
  /** Any JSON that fits the schema of the signal. It becomes the output of the waiting step. Default null. */
  payload?: unknown | undefined;
}

export interface SignalReceived {
  /** The name of the signal. */
  name: string;
  /** The payload of the signal. */
  payload?: unknown | undefined;
  /** The user who did it. */
  by?: string | undefined;
  /** The step, by its id in the config. */
  step_id?: string | undefined;
}

export interface SignalReceivedEvent {
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** 1, 2, 3 … without gaps. */
  version: number;
  /** What happened. */
  type: 'SignalReceived';
  /** When it was recorded. */
  at: string;
  /** What happened. */
  data: SignalReceived;
  /** In place of data that are too large for the answer: where to read them. */
  data_omitted?: Omitted | undefined;
}

export interface SignalView {
  /** Where it stands. */
  status: 'waiting' | 'received' | 'timed_out' | 'withdrawn';
  /** The name of the signal. */
  name: string;
  /** Since when it waits. */
  since_at: string | null;
  /** When its time limit ends; null when there is no limit. */
  deadline_at?: string | null | undefined;
  /** When the signal came. */
  received_at?: string | null | undefined;
  /** The user who sent the signal. */
  received_by?: string | undefined;
}

export interface SigningSecret {
  /** Signing secret (Standard Webhooks), shown only now. */
  secret?: string | undefined;
  /** True when this is the first answer to the same Idempotency-Key again; absent otherwise. */
  repeated?: boolean | undefined;
  /** Until then the previous secret also signs. */
  previous_expires_at: string | null;
}

export interface Started {
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** The trace of the execution, an OpenTelemetry trace id. */
  trace_id: string;
  /** Where it stands. */
  status: 'pending' | 'running' | 'paused' | 'completed' | 'failed' | 'cancelled' | 'compensation';
  /** True when the same Idempotency-Key had started it before. */
  repeated?: boolean | undefined;
  /** After a wait without a result: the steps whose task no worker has taken, with the numbers of their pools. */
  queued?: QueuedStep[] | undefined;
}

export interface Step {
  /** 1 to 64 letters, digits, `_` or `-`; unique among steps and consensus groups. */
  id: string;
  /** 1 to 255 characters, for people. */
  name: string;
  /** A built-in agent or one of the tenant’s; required unless the step has an `approval`, a `wait`, a `signal`, a `choice`, a `route`, an `orchestration`, an `llm` or a `map`. */
  agent?: string | undefined;
  /** Milliseconds that one attempt may take, from the agent’s start. Default: `60000`. */
  timeout_ms?: number | undefined;
  /** Whether and when another attempt follows a failed one. */
  retry?: Retry | undefined;
  /** Steps or consensus groups that must be done first. */
  dependencies?: string[] | undefined;
  /** Name of its output for the steps that depend on it; default its id. */
  output_key?: string | undefined;
  /** The effect of its failure. Default: `abort`. */
  on_failure?: 'abort' | 'continue' | 'fallback' | undefined;
  /** Whether it only runs in place of another step. */
  is_fallback?: boolean | undefined;
  /** The step or group that it is a fallback for. */
  fallback_for?: string | undefined;
  /** Kinds of failure that fallbacks are used for; default: all. */
  fallback_when?: ('error' | 'timeout' | 'no_consensus')[] | undefined;
  /** The group with whose other members it runs and votes. */
  consensus_group?: string | undefined;
  /** Mapping of the agent’s input; texts `{% … %}` are JSONata. */
  input?: unknown | undefined;
  /** JSONata: the step is skipped unless it is true. */
  when?: string | undefined;
  /** `any`: the step also runs after a skipped dependency; `all`: it does not. Default: `any`. */
  require?: 'any' | 'all' | undefined;
  /** How it is undone. */
  compensate?: Compensation | undefined;
  /** Milliseconds that an attempt may wait for a worker. */
  schedule_to_start_ms?: number | undefined;
  /** Milliseconds for all attempts of the step with their waits. */
  schedule_to_close_ms?: number | undefined;
  /** Milliseconds between two signs of life of the agent. */
  heartbeat_ms?: number | undefined;
  /** Whatever the user keeps with it. The platform does not read it. Its keys are names. */
  metadata?: Record<string, unknown> | undefined;
  /** In place of an agent: a human decides. */
  approval?: Approval | undefined;
  /** In place of an agent: the step completes at a given time. */
  wait?: Wait | undefined;
  /** In place of an agent: the step completes when a signal of that name has come. */
  signal?: Signal | undefined;
  /** In place of an agent: chooses which of the steps that depend on it run. */
  choice?: Choice | undefined;
  /** In place of an agent: a model is asked, and the tools that it requests are called. */
  llm?: Llm | undefined;
  /** In place of an agent: an execution of another config, whose output is the step’s. */
  orchestration?: Orchestration | undefined;
  /** Beside an agent, an orchestration or a route: it runs again until an expression is true. */
  repeat?: Repeat | undefined;
  /** In place of an agent: each item of a list is worked on by itself. */
  map?: Map | undefined;
  /** In place of an agent: one of several candidates is chosen and runs, and its output is the step’s. */
  route?: Route | undefined;
}

export interface StepAttempt {
  /** Number of the attempt, from 1; 0 before the first. */
  attempt: number;
  /** Where it stands. */
  status: 'running' | 'completed' | 'failed' | 'stopped';
  /** When it was given to a worker or to the queue. */
  scheduled_at?: string | null | undefined;
  /** When it began to run; null before. */
  started_at?: string | null | undefined;
  /** When its agent ended. */
  finished_at?: string | null | undefined;
  /** Why it failed. Absent when it did not. */
  failure?: Failure | undefined;
  /** When the next attempt begins; null when there is none. */
  retry_at?: string | null | undefined;
  /** Tokens that agents reported (`_tokens`). */
  token_count?: number | undefined;
  /** Cost that agents reported (`_cost`). */
  estimated_cost?: number | undefined;
  /** Version of the agent, as its worker said. */
  agent_version?: string | undefined;
}

export interface StepAttemptFailed {
  /** The step, by its id in the config. */
  step_id: string;
  /** Number of the attempt, from 1; 0 before the first. */
  attempt: number;
  /** Why it failed. Absent when it did not. */
  failure: Failure;
  /** When it began to run; null before. */
  started_at: string | null;
  /** When its agent ended. */
  finished_at: string | null;
  /** When the next attempt begins; null when there is none. */
  retry_at?: string | null | undefined;
  /** Whether the engine ended the attempt, because of a deadline for example. */
  by_engine?: boolean | undefined;
  /** Tokens that agents reported (`_tokens`). */
  token_count?: number | undefined;
  /** Cost that agents reported (`_cost`). */
  estimated_cost?: number | undefined;
  /** Input tokens among them, when the agent reports them separately. */
  input_tokens?: number | undefined;
  /** Output tokens among them, when the agent reports them separately. */
  output_tokens?: number | undefined;
}

export interface StepAttemptFailedEvent {
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** 1, 2, 3 … without gaps. */
  version: number;
  /** What happened. */
  type: 'StepAttemptFailed';
  /** When it was recorded. */
  at: string;
  /** What happened. */
  data: StepAttemptFailed;
  /** In place of data that are too large for the answer: where to read them. */
  data_omitted?: Omitted | undefined;
}

export interface StepCompleted {
  /** The step, by its id in the config. */
  step_id: string;
  /** Number of the attempt, from 1; 0 before the first. */
  attempt: number;
  /** Any JSON. */
  output?: unknown | undefined;
  /** When it began to run; null before. */
  started_at: string | null;
  /** When its agent ended. */
  finished_at: string | null;
  /** Tokens that agents reported (`_tokens`). */
  token_count?: number | undefined;
  /** Cost that agents reported (`_cost`). */
  estimated_cost?: number | undefined;
  /** Version of the agent, as its worker said. */
  agent_version?: string | undefined;
  /** Input tokens among them, when the agent reports them separately. */
  input_tokens?: number | undefined;
  /** Output tokens among them, when the agent reports them separately. */
  output_tokens?: number | undefined;
}

export interface StepCompletedEvent {
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** 1, 2, 3 … without gaps. */
  version: number;
  /** What happened. */
  type: 'StepCompleted';
  /** When it was recorded. */
  at: string;
  /** What happened. */
  data: StepCompleted;
  /** In place of data that are too large for the answer: where to read them. */
  data_omitted?: Omitted | undefined;
}

export interface StepDetail {
  /** Index of the step in the config, from 0. */
  step_index: number;
  /** The step, by its id in the config. */
  step_id: string;
  /** Name of the step. */
  step_name: string;
  /** Name of the agent that runs the step. */
  agent_id: string;
  /** Version of the agent, as its worker said. */
  agent_version?: string | undefined;
  /** Where it stands. */
  status: 'pending' | 'running' | 'completed' | 'failed' | 'skipped' | 'paused';
  /** Any JSON. */
  output?: unknown | undefined;
  /** Why it failed. Absent when it did not. */
  failure?: Failure | undefined;
  /** Steps or consensus groups that must be done first. */
  dependencies: string[];
  /** Number of the attempt, from 1; 0 before the first. */
  attempt: number;
  /** How many attempts failed and were tried again. */
  retry_count: number;
  /** When it began to run; null before. */
  started_at?: string | null | undefined;
  /** When it ended; null before. */
  completed_at?: string | null | undefined;
  /** Milliseconds from start to end; null before the end. */
  latency_ms?: number | null | undefined;
  /** Tokens that agents reported (`_tokens`). */
  token_count?: number | undefined;
  /** Cost that agents reported (`_cost`). */
  estimated_cost?: number | undefined;
  /** Why it was skipped. */
  skip_reason?: string | undefined;
  /** The step or group that it is a fallback for. */
  fallback_for?: string | undefined;
  /** The fallback whose output it has. */
  served_by?: string | undefined;
  /** Name of its output for the steps that depend on it. */
  output_key: string;
  /** Its progress, from 0 to 1. */
  progress?: number | undefined;
  /** Its progress, as a text. */
  progress_message?: string | undefined;
  /** The group with whose other members it runs and votes. */
  consensus_group?: string | undefined;
  /** Whether its output was copied from the execution that this one continues. */
  reused?: boolean | undefined;
  /** When the next attempt begins; null when there is none. */
  retry_at?: string | null | undefined;
  /** The decision of a human for which it waits or waited. */
  approval?: ApprovalView | undefined;
  /** The state of the conversation with a model. */
  llm?: LlmView | undefined;
  /** In place of an output that is too large for the answer: where to read it. */
  output_omitted?: Omitted | undefined;
  /** The user who skipped it. */
  skipped_by?: string | undefined;
  /** The reason that this user gave. */
  skip_comment?: string | undefined;
  /** Set while no worker has taken its task. */
  queued?: QueuedView | undefined;
  /** The time for which it waits or waited. */
  wait?: WaitView | undefined;
  /** The signal for which it waits or waited. */
  signal?: SignalView | undefined;
  /** The execution that is this step. */
  child?: ChildView | undefined;
  /** How far the repeat has come, once its first iteration is done. */
  repeat?: RepeatView | undefined;
  /** How far the map has come, once it has its list. */
  map?: MapView | undefined;
  /** What a route has chosen, once it has. */
  route?: RouteView | undefined;
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** Of the execution, when the step was read. */
  version: number;
  /** What its agent got with the newest attempt. Absent before the first. */
  input?: unknown | undefined;
  /** In the order in which they were scheduled. */
  attempts: StepAttempt[];
}

export interface StepFailed {
  /** The step, by its id in the config. */
  step_id: string;
  /** Why it failed. Absent when it did not. */
  failure: Failure;
  /** What the failure does to the execution: `abort`, `continue` or `fallback`. */
  handling: string;
  /** The fallback that is tried next. */
  fallback_step_id?: string | undefined;
}

export interface StepFailedEvent {
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** 1, 2, 3 … without gaps. */
  version: number;
  /** What happened. */
  type: 'StepFailed';
  /** When it was recorded. */
  at: string;
  /** What happened. */
  data: StepFailed;
  /** In place of data that are too large for the answer: where to read them. */
  data_omitted?: Omitted | undefined;
}

export interface StepOutput {
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** The step, by its id in the config. */
  step_id: string;
  /** Any JSON; null while there is none. */
  output: unknown;
}

export interface StepProgressed {
  /** The step, by its id in the config. */
  step_id: string;
  /** Number of the attempt, from 1; 0 before the first. */
  attempt: number;
  /** Its progress, from 0 to 1. */
  progress?: number | undefined;
  /** Its progress, as a text. */
  message?: string | undefined;
}

export interface StepProgressedEvent {
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** 1, 2, 3 … without gaps. */
  version: number;
  /** What happened. */
  type: 'StepProgressed';
  /** When it was recorded. */
  at: string;
  /** What happened. */
  data: StepProgressed;
  /** In place of data that are too large for the answer: where to read them. */
  data_omitted?: Omitted | undefined;
}

export interface StepReused {
  /** The step, by its id in the config. */
  step_id: string;
  /** Any JSON. */
  output?: unknown | undefined;
  /** What was approved, and by whom. */
  approval?: ReusedApproval | undefined;
  /** It is kept when it starts with the same question. */
  if_equal?: boolean | undefined;
}

export interface StepReusedEvent {
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** 1, 2, 3 … without gaps. */
  version: number;
  /** What happened. */
  type: 'StepReused';
  /** When it was recorded. */
  at: string;
  /** What happened. */
  data: StepReused;
  /** In place of data that are too large for the answer: where to read them. */
  data_omitted?: Omitted | undefined;
}

export interface StepScheduled {
  /** The step, by its id in the config. */
  step_id: string;
  /** Number of the attempt, from 1; 0 before the first. */
  attempt: number;
  /** The agent must start before this time; null without `schedule_to_start_ms`. */
  start_deadline_at?: string | null | undefined;
  /** For a call of a model: the part of the budget that it may spend. */
  reserved?: Budget | undefined;
}

export interface StepScheduledEvent {
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** 1, 2, 3 … without gaps. */
  version: number;
  /** What happened. */
  type: 'StepScheduled';
  /** When it was recorded. */
  at: string;
  /** What happened. */
  data: StepScheduled;
  /** In place of data that are too large for the answer: where to read them. */
  data_omitted?: Omitted | undefined;
}

export interface StepSkipped {
  /** The step, by its id in the config. */
  step_id: string;
  /** The reason that the user gave. */
  reason: string;
  /** The user who did it. */
  by?: string | undefined;
  /** The comment of the user who decided. */
  comment?: string | undefined;
}

export interface StepSkippedEvent {
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** 1, 2, 3 … without gaps. */
  version: number;
  /** What happened. */
  type: 'StepSkipped';
  /** When it was recorded. */
  at: string;
  /** What happened. */
  data: StepSkipped;
  /** In place of data that are too large for the answer: where to read them. */
  data_omitted?: Omitted | undefined;
}

export interface StepStatus {
  /** Index of the step in the config, from 0. */
  step_index: number;
  /** The step, by its id in the config. */
  step_id: string;
  /** Name of the step. */
  step_name: string;
  /** Name of the agent that runs the step. */
  agent_id: string;
  /** Version of the agent, as its worker said. */
  agent_version?: string | undefined;
  /** Where it stands. */
  status: 'pending' | 'running' | 'completed' | 'failed' | 'skipped' | 'paused';
  /** Any JSON. */
  output?: unknown | undefined;
  /** Why it failed. Absent when it did not. */
  failure?: Failure | undefined;
  /** Steps or consensus groups that must be done first. */
  dependencies: string[];
  /** Number of the attempt, from 1; 0 before the first. */
  attempt: number;
  /** How many attempts failed and were tried again. */
  retry_count: number;
  /** When it began to run; null before. */
  started_at?: string | null | undefined;
  /** When it ended; null before. */
  completed_at?: string | null | undefined;
  /** Milliseconds from start to end; null before the end. */
  latency_ms?: number | null | undefined;
  /** Tokens that agents reported (`_tokens`). */
  token_count?: number | undefined;
  /** Cost that agents reported (`_cost`). */
  estimated_cost?: number | undefined;
  /** Why it was skipped. */
  skip_reason?: string | undefined;
  /** The step or group that it is a fallback for. */
  fallback_for?: string | undefined;
  /** The fallback whose output it has. */
  served_by?: string | undefined;
  /** Name of its output for the steps that depend on it. */
  output_key: string;
  /** Its progress, from 0 to 1. */
  progress?: number | undefined;
  /** Its progress, as a text. */
  progress_message?: string | undefined;
  /** The group with whose other members it runs and votes. */
  consensus_group?: string | undefined;
  /** Whether its output was copied from the execution that this one continues. */
  reused?: boolean | undefined;
  /** When the next attempt begins; null when there is none. */
  retry_at?: string | null | undefined;
  /** The decision of a human for which it waits or waited. */
  approval?: ApprovalView | undefined;
  /** The state of the conversation with a model. */
  llm?: LlmView | undefined;
  /** In place of an output that is too large for the answer: where to read it. */
  output_omitted?: Omitted | undefined;
  /** The user who skipped it. */
  skipped_by?: string | undefined;
  /** The reason that this user gave. */
  skip_comment?: string | undefined;
  /** Set while no worker has taken its task. */
  queued?: QueuedView | undefined;
  /** The time for which it waits or waited. */
  wait?: WaitView | undefined;
  /** The signal for which it waits or waited. */
  signal?: SignalView | undefined;
  /** The execution that is this step. */
  child?: ChildView | undefined;
  /** How far the repeat has come, once its first iteration is done. */
  repeat?: RepeatView | undefined;
  /** How far the map has come, once it has its list. */
  map?: MapView | undefined;
  /** What a route has chosen, once it has. */
  route?: RouteView | undefined;
  /** Why it failed; null when it did not. */
  error?: string | null | undefined;
}

export interface StepStream {
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** The step, by its id in the config. */
  step_id: string;
  /** In their order. */
  items: StreamItem[];
  /** The place of the last item: read on `after` it. */
  next: string | null;
  /** There is more that can be read at once. */
  more: boolean;
  /** Nothing more comes, unless the execution is retried. */
  over: boolean;
}

export interface StepView {
  /** Index of the step in the config, from 0. */
  step_index: number;
  /** The step, by its id in the config. */
  step_id: string;
  /** Name of the step. */
  step_name: string;
  /** Name of the agent that runs the step. */
  agent_id: string;
  /** Version of the agent, as its worker said. */
  agent_version?: string | undefined;
  /** Where it stands. */
  status: 'pending' | 'running' | 'completed' | 'failed' | 'skipped' | 'paused';
  /** Any JSON. */
  output?: unknown | undefined;
  /** Why it failed. Absent when it did not. */
  failure?: Failure | undefined;
  /** Steps or consensus groups that must be done first. */
  dependencies: string[];
  /** Number of the attempt, from 1; 0 before the first. */
  attempt: number;
  /** How many attempts failed and were tried again. */
  retry_count: number;
  /** When it began to run; null before. */
  started_at?: string | null | undefined;
  /** When it ended; null before. */
  completed_at?: string | null | undefined;
  /** Milliseconds from start to end; null before the end. */
  latency_ms?: number | null | undefined;
  /** Tokens that agents reported (`_tokens`). */
  token_count?: number | undefined;
  /** Cost that agents reported (`_cost`). */
  estimated_cost?: number | undefined;
  /** Why it was skipped. */
  skip_reason?: string | undefined;
  /** The step or group that it is a fallback for. */
  fallback_for?: string | undefined;
  /** The fallback whose output it has. */
  served_by?: string | undefined;
  /** Name of its output for the steps that depend on it. */
  output_key: string;
  /** Its progress, from 0 to 1. */
  progress?: number | undefined;
  /** Its progress, as a text. */
  progress_message?: string | undefined;
  /** The group with whose other members it runs and votes. */
  consensus_group?: string | undefined;
  /** Whether its output was copied from the execution that this one continues. */
  reused?: boolean | undefined;
  /** When the next attempt begins; null when there is none. */
  retry_at?: string | null | undefined;
  /** The decision of a human for which it waits or waited. */
  approval?: ApprovalView | undefined;
  /** The state of the conversation with a model. */
  llm?: LlmView | undefined;
  /** In place of an output that is too large for the answer: where to read it. */
  output_omitted?: Omitted | undefined;
  /** The user who skipped it. */
  skipped_by?: string | undefined;
  /** The reason that this user gave. */
  skip_comment?: string | undefined;
  /** Set while no worker has taken its task. */
  queued?: QueuedView | undefined;
  /** The time for which it waits or waited. */
  wait?: WaitView | undefined;
  /** The signal for which it waits or waited. */
  signal?: SignalView | undefined;
  /** The execution that is this step. */
  child?: ChildView | undefined;
  /** How far the repeat has come, once its first iteration is done. */
  repeat?: RepeatView | undefined;
  /** How far the map has come, once it has its list. */
  map?: MapView | undefined;
  /** What a route has chosen, once it has. */
  route?: RouteView | undefined;
}

export interface StoredDocument {
  /** Its id. */
  id: string;
  /** The tenant that it belongs to. */
  tenant_id: string;
  /** The source of the document. A document with the same source replaces it. */
  source: string;
  /** Its title. */
  title: string;
  /** How many passages it was split into. */
  passages: number;
  /** When it was last changed. */
  updated_at: string | null;
  /** Whatever the user keeps with it. The platform does not read it. */
  metadata?: Record<string, unknown> | undefined;
  /** Whether the document had the same content before. */
  unchanged?: boolean | undefined;
  /** True when this is the first answer to the same Idempotency-Key again; absent otherwise. */
  repeated?: boolean | undefined;
}

/** Something that a step says while it runs. `start`: an attempt begins to say something, and what it said before is void. `part`: a piece. `end`: the attempt is over. */
export interface StreamItem {
  /** Which kind it is. */
  type: 'start' | 'part' | 'end';
  /** The step, by its id in the config. */
  step_id: string;
  /** Number of the attempt, from 1; 0 before the first. */
  attempt: number;
  /** Where it stands: read on `after` it. */
  place: string;
  /** Of a part: when it was said. */
  at?: string | undefined;
  /** Of a part: `text`, `reasoning`, `tool_call`, `cut` (more is not kept), or another one of the agent. */
  kind?: string | undefined;
  /** Of a part. */
  text?: string | undefined;
  /** Of a part: which of several of its kind, such as the id of a call. */
  id?: string | undefined;
  /** Of a part: for people, such as the name of a tool. */
  name?: string | undefined;
  /** Of an end. `answered`: a model has answered, and the step goes on. */
  outcome?: 'completed' | 'answered' | 'failed' | 'stopped' | undefined;
  /** Of an end: what the attempt has said counts no more. */
  void?: boolean | undefined;
  /** Of an end: the event that has the output or the failure. */
  version?: number | undefined;
  /** Of an end: why the attempt failed. */
  code?: string | undefined;
  /** Of an end: the same for people. */
  message?: string | undefined;
}

export interface Task {
  /** Its id. */
  task_id: string;
  /** The execution that it is. */
  execution_id: string;
  /** What runs, and its input beside `type`. */
  task_data: {
    /** The agent or config that runs. */
    type: string;
  };
  /** In lists, when the input is large: `task_data` has its `type` alone. */
  task_data_omitted?:
    | {
        /** Where to read it. */
        href: string;
      }
    | undefined;
  /** Where it stands. */
  status: 'PENDING' | 'RUNNING' | 'COMPLETED' | 'FAILED' | 'PAUSED';
  /** The status of the execution. */
  execution_status: 'pending' | 'running' | 'paused' | 'completed' | 'failed' | 'cancelled' | 'compensation';
  /** As it was given. */
  priority: number;
  /** The queue that it goes to. */
  queue: 'high' | 'normal' | 'low';
  /** Nothing runs before this time; null when it began at once. */
  scheduled_time: string | null;
  /** When it was scheduled. */
  created_at: string;
  /** When it began. */
  started_at: string | null;
  /** When it ended. */
  completed_at: string | null;
  /** What it gave; null when it gave nothing. */
  output: unknown;
  /** In place of an output that is too large for the answer: where to read it. */
  output_omitted?: Omitted | undefined;
  /** Why it failed; null when it did not. */
  failure: Failure | null;
  /** Every attempt of the agent; not in lists, and not when the type is a config. */
  attempts?: StepAttempt[] | undefined;
  /** When the type is a config: the execution of this config, once it was asked for. Not in lists. */
  child?: ChildView | undefined;
  /** True when this is the first answer to the same Idempotency-Key again; absent otherwise. */
  repeated?: boolean | undefined;
}

/** A task. */
export interface TaskBody {
  /** Its id; by default the `Idempotency-Key`, or a new one. */
  task_id?: string | undefined;
  /** What runs, and its input beside `type`. */
  task_data: {
    /** The agent or config that runs. */
    type: string;
  };
  /** Nothing runs before this time. */
  scheduled_time?: string | undefined;
  /** 1 is the most urgent: 1 to 3 go to the queue `high`, 4 to 7 to `normal`, 8 to 10 to `low`. */
  priority?: number | undefined;
}

export interface TaskPage {
  /** Tasks. */
  tasks: Task[];
  /** Cursor of the next page; null on the last page. */
  next_cursor: string | null;
}

export interface Tenant {
  /** Its id. */
  id: string;
  /** When it was made. */
  created_at: string | null;
  /** Grows by one with each change. */
  revision: number;
}

export interface TenantLimitValues {
  /** Of two tenants whose steps wait, one with twice the weight has twice the slots of runners. */
  weight?: number | null | undefined;
  /** Attempts of steps that run at once, of all pools; further ones wait. */
  running_attempts?: number | null | undefined;
  /** Executions that begin or go on again in a second: starts, forks, retries and undoings. */
  starts_per_second?: number | null | undefined;
  /** Executions that have not ended. */
  unfinished_executions?: number | null | undefined;
  /** WebSockets that are open, of all gateways. */
  websockets?: number | null | undefined;
  /** Bytes of the events of executions. */
  execution_bytes?: number | null | undefined;
  /** Bytes of documents of the knowledge base and of versions of configs. */
  document_bytes?: number | null | undefined;
}

export interface TenantLimits {
  /** The tenant. */
  tenant_id: string;
  /** Absent when the tenant is not paused. */
  paused?: Pause | undefined;
  /** The limit that is set for this tenant; null when none is. */
  own: {
    /** Of two tenants whose steps wait, one with twice the weight has twice the slots of runners. */
    weight: number | null;
    /** Attempts of steps that run at once, of all pools; further ones wait. */
    running_attempts: number | null;
    /** Executions that begin or go on again in a second: starts, forks, retries and undoings. */
    starts_per_second: number | null;
    /** Executions that have not ended. */
    unfinished_executions: number | null;
    /** WebSockets that are open, of all gateways. */
    websockets: number | null;
    /** Bytes of the events of executions. */
    execution_bytes: number | null;
    /** Bytes of documents of the knowledge base and of versions of configs. */
    document_bytes: number | null;
  };
  /** The limit that applies: its own, or the platform’s default; 0: no limit. */
  limits: {
    /** Of two tenants whose steps wait, one with twice the weight has twice the slots of runners. */
    weight: number;
    /** Attempts of steps that run at once, of all pools; further ones wait. */
    running_attempts: number;
    /** Executions that begin or go on again in a second: starts, forks, retries and undoings. */
    starts_per_second: number;
    /** Executions that have not ended. */
    unfinished_executions: number;
    /** WebSockets that are open, of all gateways. */
    websockets: number;
    /** Bytes of the events of executions. */
    execution_bytes: number;
    /** Bytes of documents of the knowledge base and of versions of configs. */
    document_bytes: number;
  };
  /** Its current use. WebSockets are counted only when they are limited. */
  used: {
    /** Attempts of steps that run at once, of all pools; further ones wait. */
    running_attempts: number | null;
    /** Executions that begin or go on again in a second: starts, forks, retries and undoings. */
    starts_per_second: number | null;
    /** Executions that have not ended. */
    unfinished_executions: number | null;
    /** WebSockets that are open, of all gateways. */
    websockets: number | null;
    /** Bytes of the events of executions. */
    execution_bytes: number | null;
    /** Bytes of documents of the knowledge base and of versions of configs. */
    document_bytes: number | null;
  };
}

export interface TenantPage {
  /** The tenants. */
  tenants: Tenant[];
  /** Cursor of the next page; null on the last page. */
  next_cursor: string | null;
}

export interface TenantSettingValues {
  /** Whether this tenant sees and runs the global configs of the tenant `default`. */
  global_configs?: boolean | undefined;
}

export interface TenantSettings {
  /** The tenant. */
  tenant_id: string;
  /** Whether this tenant sees and runs global configs. */
  global_configs: boolean;
}

/** When something is due: exactly one of `cron`, `every_ms`, `calendar` and `at`. */
export interface Timetable {
  /** 5 fields, or 6 with seconds first, or 7 with years last; or `@hourly` and the like. */
  cron?: string | undefined;
  /** Time between two starts, counted from `start_at` or else from 1970. */
  every_ms?: number | undefined;
  /** Days and times of day. All of them must match. */
  calendar?: CalendarDays | undefined;
  /** One time: RFC 3339, or without an offset in `time_zone`. */
  at?: string | undefined;
  /** An IANA name; UTC without it. */
  time_zone?: string | undefined;
  /** A wall time that does not exist because clocks are set forward: the first instant after, or nothing. */
  gap?: 'next' | 'skip' | undefined;
  /** A wall time that comes twice because clocks are set back. Default `first`, but `both` for a cron expression of every hour. */
  overlap_hour?: 'first' | 'both' | undefined;
  /** Nothing is due before. */
  start_at?: string | undefined;
  /** Nothing is due after. */
  end_at?: string | undefined;
}

export interface ToolApproval {
  /** JSONata, which also sees `call` with `tool` and `input`. Only calls for which it is true are asked about. */
  when?: string | undefined;
  /** The question to the approver. The tool and its input are shown beside it. */
  message?: string | undefined;
  /** The users who may decide; absent when every operator may. */
  approvers?: string[] | undefined;
  /** Milliseconds to decide in. */
  timeout_ms?: number | undefined;
  /** The decision when that time has passed. Default: `reject`. */
  on_timeout?: 'reject' | 'approve' | undefined;
}

export interface ToolCallView {
  /** The call, as the model names it. */
  id: string;
  /** The tool. */
  name: string;
  /** `waiting`, `asking` a human, `running` or `done`. */
  status: 'waiting' | 'asking' | 'running' | 'done';
  /** What makes the call; a decision about it names it as the step. */
  step_id?: string | undefined;
  /** What a human is asked about it, with `tool` and `input`. */
  approval?: ApprovalView | undefined;
}

export interface ToolCalled {
  /** The unit that makes the call, `<step>:<tool>:<number>`. Its attempts have this id. */
  step_id: string;
  /** The step whose model asked for it. */
  caller_id: string;
  /** Number of the model’s answer, from 1. */
  turn: number;
  /** Index among the calls of the turn, from 0. */
  index: number;
  /** The call, as the model names it. */
  call_id: string;
}

export interface ToolCalledEvent {
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** 1, 2, 3 … without gaps. */
  version: number;
  /** What happened. */
  type: 'ToolCalled';
  /** When it was recorded. */
  at: string;
  /** What happened. */
  data: ToolCalled;
  /** In place of data that are too large for the answer: where to read them. */
  data_omitted?: Omitted | undefined;
}

/** How it is started now. */
export interface TriggerBody {
  /** What to do when others run. */
  overlap?: 'skip' | 'buffer_one' | 'buffer_all' | 'cancel_other' | 'terminate_other' | 'allow' | undefined;
}

export interface Vote {
  /** The step, by its id in the config. */
  step_id: string;
  /** Members with the same number agree; -1: it has no vote. */
  option: number;
  /** The weight of its vote. */
  weight?: number | undefined;
  /** Its score, in mode `best`. */
  score?: number | undefined;
  /** Why it has no vote. */
  excluded?: string | undefined;
}

export interface Wait {
  /** Milliseconds from the step’s start. */
  duration_ms?: number | undefined;
  /** An RFC 3339 time, or one expression `{% … %}` that gives one or epoch milliseconds. */
  until?: string | undefined;
}

export interface WaitStarted {
  /** The step, by its id in the config. */
  step_id: string;
  /** Until when it waits. */
  until_at: string | null;
}

export interface WaitStartedEvent {
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** 1, 2, 3 … without gaps. */
  version: number;
  /** What happened. */
  type: 'WaitStarted';
  /** When it was recorded. */
  at: string;
  /** What happened. */
  data: WaitStarted;
  /** In place of data that are too large for the answer: where to read them. */
  data_omitted?: Omitted | undefined;
}

export interface WaitView {
  /** Where it stands. */
  status: 'waiting' | 'over' | 'withdrawn';
  /** Since when it waits. */
  since_at: string | null;
  /** Until when it waits. */
  until_at: string | null;
}

export interface WaiterAdded {
  /** The execution that waits for this one. */
  execution_id: string;
}

export interface WaiterAddedEvent {
  /** The execution, a UUID that sorts by time of creation. */
  execution_id: string;
  /** 1, 2, 3 … without gaps. */
  version: number;
  /** What happened. */
  type: 'WaiterAdded';
  /** When it was recorded. */
  at: string;
  /** What happened. */
  data: WaiterAdded;
  /** In place of data that are too large for the answer: where to read them. */
  data_omitted?: Omitted | undefined;
}

export interface Workflow {
  /** The workflow. */
  id: string;
  /** Its name. */
  name: string;
  /** Its tasks, in the order in which they run. */
  tasks: WorkflowTask[];
  /** How it goes on. */
  config: {
    /** A failure does not end the run. */
    continue_on_error?: boolean | undefined;
  };
  /** Where it stands. */
  status: 'PENDING' | 'RUNNING' | 'COMPLETED' | 'FAILED' | 'PAUSED';
  /** Grows by one with each change. */
  version: number;
  /** The user who made it. */
  created_by: string;
  /** When it was made. */
  created_at: string;
  /** When it was last changed. */
  updated_at: string;
  /** The newest run; null when there is none. */
  last_run: {
    /** The run. */
    id: string;
    /** Where it stands. */
    status: 'PENDING' | 'RUNNING' | 'COMPLETED' | 'FAILED' | 'PAUSED';
    /** When it was started. */
    created_at: string;
  } | null;
  /** True when this is the first answer to the same Idempotency-Key again; absent otherwise. */
  repeated?: boolean | undefined;
}

/** A workflow. */
export interface WorkflowBody {
  /** Its name. */
  name: string;
  /** Its tasks, in the order in which they run. */
  tasks: WorkflowTask[];
  /** How it goes on. */
  config?:
    | {
        /** A failure does not end the run. */
        continue_on_error?: boolean | undefined;
      }
    | undefined;
}

export interface WorkflowPage {
  /** Workflows. */
  workflows: Workflow[];
  /** Cursor of the next page; null on the last page. */
  next_cursor: string | null;
}

export interface WorkflowRun {
  /** The run, and the execution that it is. */
  id: string;
  /** Where it stands. */
  status: 'PENDING' | 'RUNNING' | 'COMPLETED' | 'FAILED' | 'PAUSED';
  /** The status of the execution. */
  execution_status: 'pending' | 'running' | 'paused' | 'completed' | 'failed' | 'cancelled' | 'compensation';
  /** When it was started. */
  created_at: string;
  /** When it began. */
  started_at: string | null;
  /** When it ended. */
  completed_at: string | null;
  /** The user who started it. */
  started_by: string;
  /** What it gave. */
  output: unknown;
  /** In place of an output that is too large for the answer: where to read it. */
  output_omitted?: Omitted | undefined;
  /** Why it failed; null when it did not. */
  failure: Failure | null;
  /** What it waits for, in words; null when it does not wait. */
  pending_reason: string | null;
  /** What has or had to end before it begins. */
  waits_for: {
    /** The execution. */
    execution_id: string;
    /** The process that it is a run of. */
    process: string | null;
    /** How it has to end. */
    on: 'success' | 'failed' | 'finished';
    /** Where it stands. */
    state: 'not_started' | 'waiting' | 'met' | 'failed';
  }[];
  /** What became of each. */
  tasks: WorkflowTaskRun[];
  /** True when this is the first answer to the same Idempotency-Key again; absent otherwise. */
  repeated?: boolean | undefined;
}

export interface WorkflowRunPage {
  /** Runs, the newest first. */
  runs: WorkflowRun[];
  /** Cursor of the next page; null on the last page. */
  next_cursor: string | null;
}

/** A task of a workflow. */
export interface WorkflowTask {
  /** Default `task_1`, `task_2` and so on. */
  id?: string | undefined;
  /** The agent or config that runs. An agent comes before a config of the same name. */
  type: string;
  /** Its input: a mapping, which sees the outputs of the tasks before it. */
  config?: Record<string, unknown> | undefined;
  /** Milliseconds that one attempt may take. */
  timeout_ms?: number | undefined;
  /** When a failed attempt is made again, as in a config. */
  retry?:
    | {
        /** Attempts in all, the first one included. */
        max_attempts?: number | undefined;
        /** Milliseconds before the second attempt. */
        backoff_ms?: number | undefined;
        /** Each wait is this many times the one before. */
        backoff_coefficient?: number | undefined;
        /** The longest wait, in milliseconds; default one hour. */
        max_backoff_ms?: number | undefined;
        /** `full`: each wait is random between 0 and its length; `none`: exactly its length. */
        jitter?: 'full' | 'none' | undefined;
        /** Codes of failures after which there is no further attempt. */
        non_retryable?: string[] | undefined;
        /** No attempt begins later than these milliseconds after the first was scheduled. */
        total_timeout_ms?: number | undefined;
      }
    | undefined;
}

export interface WorkflowTaskRun {
  /** The task. */
  id: string;
  /** What it runs. */
  type: string;
  /** Where it stands. */
  status: 'pending' | 'running' | 'completed' | 'failed' | 'skipped' | 'paused';
  /** When it began. */
  started_at: string | null;
  /** When it ended. */
  completed_at: string | null;
  /** What it gave; null when it gave nothing. */
  output: unknown;
  /** In place of an output that is too large for the answer: where to read it. */
  output_omitted?: Omitted | undefined;
  /** Why it failed; null when it did not. */
  failure: Failure | null;
  /** The execution that it is; null when an agent runs it. */
  execution_id: string | null;
}
