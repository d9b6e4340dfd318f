// Generated from docs/openapi.json by `npm run openapi`: its operations as methods. Do not edit.
import type { Answer } from '../answer.js';
import type { CallOptions, Caller, OperationSpec } from '../caller.js';
import type { Pages } from '../pages.js';
import type {
  AckBody,
  Acknowledged,
  Agent,
  AgentBody,
  AgentList,
  AgentPatch,
  ApiKey,
  ApiKeyBody,
  ApiKeyPage,
  ApprovalPage,
  ApprovalSummary,
  AuditEntry,
  AuditPage,
  BackfillBody,
  BeginPauseBody,
  Callback,
  CallbackBody,
  CallbackDelivery,
  CallbackPage,
  CancelBody,
  Commanded,
  Config,
  ConfigBody,
  ConfigJsonSchema,
  ConfigPage,
  ConfigPatch,
  ConfigVersions,
  DecisionBody,
  DeliveryPage,
  DocumentBody,
  DocumentPage,
  Event,
  EventPage,
  ExecuteBody,
  ExecutionIntegrity,
  ExecutionPage,
  ExecutionResult,
  ExecutionStatus,
  ExecutionSteps,
  ExecutionSummary,
  ExecutionView,
  ForkBody,
  InboxNotification,
  KnowledgeDocument,
  Links,
  Liveness,
  McpConsentBody,
  McpServer,
  McpServerBody,
  McpServerList,
  McpToolList,
  Model,
  ModelBody,
  ModelList,
  NewApiKey,
  NewCallback,
  NewPoolCredentials,
  NotificationPage,
  Passages,
  Pause,
  PauseBody,
  PauseList,
  PoolCredentials,
  PoolCredentialsBody,
  PoolCredentialsPage,
  PoolList,
  PreviewBody,
  Process,
  ProcessBody,
  ProcessPage,
  ProcessRun,
  ProcessRunPage,
  Readiness,
  ReasonBody,
  RedrivenDelivery,
  RescheduleBody,
  RetentionPolicies,
  RetentionPolicy,
  RetentionPolicyBody,
  RunBody,
  Schedule,
  ScheduleBody,
  ScheduleEvent,
  ScheduleHistory,
  SchedulePage,
  SchedulePreview,
  ScheduleReason,
  SecretBody,
  SecretInfo,
  SecretPage,
  SignalBody,
  SigningSecret,
  Started,
  StepDetail,
  StepOutput,
  StepStream,
  StoredDocument,
  Task,
  TaskBody,
  TaskPage,
  Tenant,
  TenantLimitValues,
  TenantLimits,
  TenantPage,
  TenantSettingValues,
  TenantSettings,
  TriggerBody,
  Workflow,
  WorkflowBody,
  WorkflowPage,
  WorkflowRun,
  WorkflowRunPage,
} from './schemas.js';

export const OPERATIONS = {
  'operations.root': { method: 'GET', path: '/', query: [], headers: [] },
  'operations.configSchema': { method: 'GET', path: '/schemas/config.json', query: [], headers: [] },
  'operations.live': { method: 'GET', path: '/health/live', query: [], headers: [] },
  'operations.ready': { method: 'GET', path: '/health/ready', query: [], headers: [] },
  'operations.metrics': { method: 'GET', path: '/metrics', query: [], headers: [] },
  'configs.create': {
    method: 'POST',
    path: '/api/v1/orchestrations/configs',
    query: [],
    headers: ['Idempotency-Key'],
    media: 'application/json',
  },
  'configs.list': {
    method: 'GET',
    path: '/api/v1/orchestrations/configs',
    query: ['name', 'strategy', 'owner_id', 'include_deleted', 'limit', 'cursor', 'offset', 'with_total'],
    headers: [],
    items: 'configs',
  },
  'configs.get': {
    method: 'GET',
    path: '/api/v1/orchestrations/configs/{id}',
    query: ['include_deleted'],
    headers: ['If-None-Match'],
  },
  'configs.update': {
    method: 'PUT',
    path: '/api/v1/orchestrations/configs/{id}',
    query: [],
    headers: ['If-Match', 'If-None-Match'],
    media: 'application/json',
  },
  'configs.patch': {
    method: 'PATCH',
    path: '/api/v1/orchestrations/configs/{id}',
    query: [],
    headers: ['If-Match', 'If-None-Match'],
    media: 'application/merge-patch+json',
  },
  'configs.delete': {
    method: 'DELETE',
    path: '/api/v1/orchestrations/configs/{id}',
    query: [],
    headers: ['If-Match', 'If-None-Match'],
  },
  'configs.restore': {
    method: 'POST',
    path: '/api/v1/orchestrations/configs/{id}/restore',
    query: [],
    headers: ['Idempotency-Key', 'If-Match', 'If-None-Match'],
  },
  'configs.versions': {
    method: 'GET',
    path: '/api/v1/orchestrations/configs/{id}/versions',
    query: ['limit', 'cursor', 'include_deleted'],
    headers: [],
    items: 'versions',
  },
  'configs.version': {
    method: 'GET',
    path: '/api/v1/orchestrations/configs/{id}/versions/{version}',
    query: ['include_deleted'],
    headers: ['If-None-Match'],
  },
  'executions.start': {
    method: 'POST',
    path: '/api/v1/orchestrations/execute/{config_id}',
    query: ['wait'],
    headers: ['Idempotency-Key', 'traceparent'],
    media: 'application/json',
  },
  'executions.status': { method: 'GET', path: '/api/v1/orchestrations/status/{trace_id}', query: [], headers: [] },
  'executions.list': {
    method: 'GET',
    path: '/api/v1/orchestrations/executions',
    query: [
      'config_id',
      'status',
      'user',
      'session_id',
      'parent_id',
      'created_from',
      'created_to',
      'limit',
      'cursor',
      'offset',
      'with_total',
    ],
    headers: [],
    items: 'executions',
  },
  'executions.approvals': {
    method: 'GET',
    path: '/api/v1/orchestrations/approvals',
    query: ['config_id', 'execution_id', 'approver', 'limit', 'cursor'],
    headers: [],
    items: 'approvals',
  },
  'executions.get': {
    method: 'GET',
    path: '/api/v1/orchestrations/executions/{id}',
    query: ['at_version'],
    headers: [],
  },
  'executions.delete': {
    method: 'DELETE',
    path: '/api/v1/orchestrations/executions/{id}',
    query: ['reason', 'if_version'],
    headers: ['Idempotency-Key'],
  },
  'executions.events': {
    method: 'GET',
    path: '/api/v1/orchestrations/executions/{id}/events',
    query: ['from_version', 'limit', 'cursor'],
    headers: [],
    items: 'events',
  },
  'executions.event': {
    method: 'GET',
    path: '/api/v1/orchestrations/executions/{id}/events/{version}',
    query: [],
    headers: [],
  },
  'executions.verify': { method: 'GET', path: '/api/v1/orchestrations/executions/{id}/verify', query: [], headers: [] },
  'executions.export': { method: 'GET', path: '/api/v1/orchestrations/executions/{id}/export', query: [], headers: [] },
  'executions.steps': { method: 'GET', path: '/api/v1/orchestrations/executions/{id}/steps', query: [], headers: [] },
  'executions.step': {
    method: 'GET',
    path: '/api/v1/orchestrations/executions/{id}/steps/{step_id}',
    query: [],
    headers: [],
  },
  'executions.output': {
    method: 'GET',
    path: '/api/v1/orchestrations/executions/{id}/steps/{step_id}/output',
    query: [],
    headers: [],
  },
  'executions.result': {
    method: 'GET',
    path: '/api/v1/orchestrations/executions/{id}/result',
    query: ['wait'],
    headers: [],
  },
  'executions.stream': {
    method: 'GET',
    path: '/api/v1/orchestrations/executions/{id}/steps/{step_id}/stream',
    query: ['attempt', 'after', 'limit'],
    headers: [],
  },
  'executions.pause': {
    method: 'POST',
    path: '/api/v1/orchestrations/executions/{id}/pause',
    query: [],
    headers: ['Idempotency-Key'],
    media: 'application/json',
  },
  'executions.resume': {
    method: 'POST',
    path: '/api/v1/orchestrations/executions/{id}/resume',
    query: [],
    headers: ['Idempotency-Key'],
    media: 'application/json',
  },
  'executions.cancel': {
    method: 'POST',
    path: '/api/v1/orchestrations/executions/{id}/cancel',
    query: [],
    headers: ['Idempotency-Key'],
    media: 'application/json',
  },
  'executions.terminate': {
    method: 'POST',
    path: '/api/v1/orchestrations/executions/{id}/terminate',
    query: [],
    headers: ['Idempotency-Key'],
    media: 'application/json',
  },
  'executions.retry': {
    method: 'POST',
    path: '/api/v1/orchestrations/executions/{id}/retry',
    query: [],
    headers: ['Idempotency-Key'],
    media: 'application/json',
  },
  'executions.compensate': {
    method: 'POST',
    path: '/api/v1/orchestrations/executions/{id}/compensate',
    query: [],
    headers: ['Idempotency-Key'],
    media: 'application/json',
  },
  'executions.restore': {
    method: 'POST',
    path: '/api/v1/orchestrations/executions/{id}/restore',
    query: [],
    headers: ['Idempotency-Key'],
    media: 'application/json',
  },
  'executions.skip': {
    method: 'POST',
    path: '/api/v1/orchestrations/executions/{id}/steps/{step_id}/skip',
    query: [],
    headers: ['Idempotency-Key'],
    media: 'application/json',
  },
  'executions.approve': {
    method: 'POST',
    path: '/api/v1/orchestrations/executions/{id}/steps/{step_id}/approve',
    query: [],
    headers: ['Idempotency-Key'],
    media: 'application/json',
  },
  'executions.reject': {
    method: 'POST',
    path: '/api/v1/orchestrations/executions/{id}/steps/{step_id}/reject',
    query: [],
    headers: ['Idempotency-Key'],
    media: 'application/json',
  },
  'executions.signal': {
    method: 'POST',
    path: '/api/v1/orchestrations/executions/{id}/signals/{name}',
    query: [],
    headers: ['Idempotency-Key'],
    media: 'application/json',
  },
  'executions.fork': {
    method: 'POST',
    path: '/api/v1/orchestrations/executions/{id}/fork',
    query: ['wait'],
    headers: ['Idempotency-Key', 'traceparent'],
    media: 'application/json',
  },
  'agents.list': { method: 'GET', path: '/api/v1/agents', query: [], headers: [] },
  'agents.get': { method: 'GET', path: '/api/v1/agents/{name}', query: [], headers: ['If-None-Match'] },
  'agents.put': {
    method: 'PUT',
    path: '/api/v1/agents/{name}',
    query: [],
    headers: ['If-Match', 'If-None-Match'],
    media: 'application/json',
  },
  'agents.patch': {
    method: 'PATCH',
    path: '/api/v1/agents/{name}',
    query: [],
    headers: ['If-Match', 'If-None-Match'],
    media: 'application/merge-patch+json',
  },
  'agents.delete': {
    method: 'DELETE',
    path: '/api/v1/agents/{name}',
    query: [],
    headers: ['If-Match', 'If-None-Match'],
  },
  'pools.list': { method: 'GET', path: '/api/v1/pools', query: [], headers: [] },
  'pools.createCredentials': {
    method: 'POST',
    path: '/api/v1/pools/{pool}/credentials',
    query: [],
    headers: [],
    media: 'application/json',
  },
  'pools.listCredentials': {
    method: 'GET',
    path: '/api/v1/pools/{pool}/credentials',
    query: ['limit', 'cursor'],
    headers: [],
    items: 'credentials',
  },
  'pools.getCredentials': {
    method: 'GET',
    path: '/api/v1/pools/{pool}/credentials/{id}',
    query: [],
    headers: ['If-None-Match'],
  },
  'pools.revokeCredentials': {
    method: 'DELETE',
    path: '/api/v1/pools/{pool}/credentials/{id}',
    query: [],
    headers: ['If-Match', 'If-None-Match'],
  },
  'pauses.list': { method: 'GET', path: '/api/v1/pauses', query: [], headers: [] },
  'pauses.begin': {
    method: 'PUT',
    path: '/api/v1/pauses/{kind}/{name}',
    query: [],
    headers: [],
    media: 'application/json',
  },
  'pauses.end': { method: 'DELETE', path: '/api/v1/pauses/{kind}/{name}', query: [], headers: [] },
  'knowledge.put': {
    method: 'POST',
    path: '/api/v1/knowledge/documents',
    query: [],
    headers: ['Idempotency-Key', 'If-Match', 'If-None-Match'],
    media: 'application/json',
  },
  'knowledge.list': {
    method: 'GET',
    path: '/api/v1/knowledge/documents',
    query: ['limit', 'cursor'],
    headers: [],
    items: 'documents',
  },
  'knowledge.get': { method: 'GET', path: '/api/v1/knowledge/documents/{id}', query: [], headers: ['If-None-Match'] },
  'knowledge.delete': {
    method: 'DELETE',
    path: '/api/v1/knowledge/documents/{id}',
    query: [],
    headers: ['If-Match', 'If-None-Match'],
  },
  'knowledge.search': { method: 'GET', path: '/api/v1/knowledge/search', query: ['q', 'limit'], headers: [] },
  'secrets.list': { method: 'GET', path: '/api/v1/secrets', query: ['limit', 'cursor'], headers: [], items: 'secrets' },
  'secrets.get': { method: 'GET', path: '/api/v1/secrets/{name}', query: [], headers: ['If-None-Match'] },
  'secrets.put': {
    method: 'PUT',
    path: '/api/v1/secrets/{name}',
    query: [],
    headers: ['If-Match', 'If-None-Match'],
    media: 'application/json',
  },
  'secrets.delete': {
    method: 'DELETE',
    path: '/api/v1/secrets/{name}',
    query: [],
    headers: ['If-Match', 'If-None-Match'],
  },
  'models.list': { method: 'GET', path: '/api/v1/models', query: [], headers: [] },
  'models.get': { method: 'GET', path: '/api/v1/models/{name}', query: [], headers: ['If-None-Match'] },
  'models.put': {
    method: 'PUT',
    path: '/api/v1/models/{name}',
    query: [],
    headers: ['If-Match', 'If-None-Match'],
    media: 'application/json',
  },
  'models.delete': {
    method: 'DELETE',
    path: '/api/v1/models/{name}',
    query: [],
    headers: ['If-Match', 'If-None-Match'],
  },
  'mcpServers.list': { method: 'GET', path: '/api/v1/mcp-servers', query: [], headers: [] },
  'mcpServers.get': { method: 'GET', path: '/api/v1/mcp-servers/{name}', query: [], headers: ['If-None-Match'] },
  'mcpServers.put': {
    method: 'PUT',
    path: '/api/v1/mcp-servers/{name}',
    query: [],
    headers: ['If-Match', 'If-None-Match'],
    media: 'application/json',
  },
  'mcpServers.delete': {
    method: 'DELETE',
    path: '/api/v1/mcp-servers/{name}',
    query: [],
    headers: ['If-Match', 'If-None-Match'],
  },
  'mcpServers.tools': { method: 'GET', path: '/api/v1/mcp-servers/{name}/tools', query: [], headers: [] },
  'mcpServers.consent': {
    method: 'PUT',
    path: '/api/v1/mcp-servers/{name}/consent',
    query: [],
    headers: [],
    media: 'application/json',
  },
  'retentionPolicies.list': { method: 'GET', path: '/api/v1/retention-policies', query: [], headers: [] },
  'retentionPolicies.get': {
    method: 'GET',
    path: '/api/v1/retention-policies/{name}',
    query: [],
    headers: ['If-None-Match'],
  },
  'retentionPolicies.put': {
    method: 'PUT',
    path: '/api/v1/retention-policies/{name}',
    query: [],
    headers: ['If-Match', 'If-None-Match'],
    media: 'application/json',
  },
  'retentionPolicies.delete': {
    method: 'DELETE',
    path: '/api/v1/retention-policies/{name}',
    query: [],
    headers: ['If-Match', 'If-None-Match'],
  },
  'apiKeys.create': {
    method: 'POST',
    path: '/api/v1/api-keys',
    query: [],
    headers: ['Idempotency-Key'],
    media: 'application/json',
  },
  'apiKeys.list': { method: 'GET', path: '/api/v1/api-keys', query: ['limit', 'cursor'], headers: [], items: 'keys' },
  'apiKeys.get': { method: 'GET', path: '/api/v1/api-keys/{id}', query: [], headers: ['If-None-Match'] },
  'apiKeys.revoke': {
    method: 'DELETE',
    path: '/api/v1/api-keys/{id}',
    query: [],
    headers: ['If-Match', 'If-None-Match'],
  },
  'tenants.list': { method: 'GET', path: '/api/v1/tenants', query: ['limit', 'cursor'], headers: [], items: 'tenants' },
  'tenants.limits': { method: 'GET', path: '/api/v1/tenants/{tenant}/limits', query: [], headers: ['If-None-Match'] },
  'tenants.setLimits': {
    method: 'PUT',
    path: '/api/v1/tenants/{tenant}/limits',
    query: [],
    headers: ['If-Match', 'If-None-Match'],
    media: 'application/json',
  },
  'tenants.settings': {
    method: 'GET',
    path: '/api/v1/tenants/{tenant}/settings',
    query: [],
    headers: ['If-None-Match'],
  },
  'tenants.setSettings': {
    method: 'PUT',
    path: '/api/v1/tenants/{tenant}/settings',
    query: [],
    headers: ['If-Match', 'If-None-Match'],
    media: 'application/json',
  },
  'callbacks.create': {
    method: 'POST',
    path: '/api/v1/orchestrations/callbacks',
    query: [],
    headers: ['Idempotency-Key'],
    media: 'application/json',
  },
  'callbacks.list': {
    method: 'GET',
    path: '/api/v1/orchestrations/callbacks',
    query: ['config_id', 'execution_id', 'limit', 'cursor'],
    headers: [],
    items: 'callbacks',
  },
  'callbacks.deliveries': {
    method: 'GET',
    path: '/api/v1/orchestrations/callbacks/deliveries',
    query: ['execution_id', 'callback_id', 'limit', 'cursor', 'status'],
    headers: [],
    items: 'deliveries',
  },
  'callbacks.deadLetters': {
    method: 'GET',
    path: '/api/v1/orchestrations/callbacks/dead-letters',
    query: ['execution_id', 'callback_id', 'limit', 'cursor'],
    headers: [],
    items: 'deliveries',
  },
  'callbacks.delivery': {
    method: 'GET',
    path: '/api/v1/orchestrations/callbacks/deliveries/{id}',
    query: [],
    headers: [],
  },
  'callbacks.redrive': {
    method: 'POST',
    path: '/api/v1/orchestrations/callbacks/deliveries/{id}/redrive',
    query: [],
    headers: ['Idempotency-Key'],
  },
  'callbacks.rotateTenant': {
    method: 'POST',
    path: '/api/v1/orchestrations/callbacks/secret/rotate',
    query: [],
    headers: ['Idempotency-Key'],
  },
  'callbacks.get': {
    method: 'GET',
    path: '/api/v1/orchestrations/callbacks/{id}',
    query: [],
    headers: ['If-None-Match'],
  },
  'callbacks.delete': {
    method: 'DELETE',
    path: '/api/v1/orchestrations/callbacks/{id}',
    query: [],
    headers: ['If-Match', 'If-None-Match'],
  },
  'callbacks.enable': {
    method: 'POST',
    path: '/api/v1/orchestrations/callbacks/{id}/enable',
    query: [],
    headers: ['Idempotency-Key', 'If-Match', 'If-None-Match'],
  },
  'callbacks.rotate': {
    method: 'POST',
    path: '/api/v1/orchestrations/callbacks/{id}/secret/rotate',
    query: [],
    headers: ['Idempotency-Key'],
  },
  'notifications.list': {
    method: 'GET',
    path: '/api/v1/notifications',
    query: ['limit', 'cursor'],
    headers: [],
    items: 'notifications',
  },
  'notifications.acknowledge': {
    method: 'POST',
    path: '/api/v1/notifications/ack',
    query: [],
    headers: ['Idempotency-Key'],
    media: 'application/json',
  },
  'schedules.create': {
    method: 'POST',
    path: '/api/v1/schedules',
    query: [],
    headers: ['Idempotency-Key'],
    media: 'application/json',
  },
  'schedules.list': {
    method: 'GET',
    path: '/api/v1/schedules',
    query: ['status', 'config_id', 'limit', 'cursor'],
    headers: [],
    items: 'schedules',
  },
  'schedules.previewOf': {
    method: 'POST',
    path: '/api/v1/schedules/preview',
    query: ['count'],
    headers: [],
    media: 'application/json',
  },
  'schedules.get': { method: 'GET', path: '/api/v1/schedules/{id}', query: [], headers: ['If-None-Match'] },
  'schedules.update': {
    method: 'PUT',
    path: '/api/v1/schedules/{id}',
    query: [],
    headers: ['If-Match', 'If-None-Match'],
    media: 'application/json',
  },
  'schedules.delete': {
    method: 'DELETE',
    path: '/api/v1/schedules/{id}',
    query: [],
    headers: ['If-Match', 'If-None-Match'],
  },
  'schedules.pause': {
    method: 'POST',
    path: '/api/v1/schedules/{id}/pause',
    query: [],
    headers: ['Idempotency-Key'],
    media: 'application/json',
  },
  'schedules.resume': {
    method: 'POST',
    path: '/api/v1/schedules/{id}/resume',
    query: [],
    headers: ['Idempotency-Key'],
    media: 'application/json',
  },
  'schedules.trigger': {
    method: 'POST',
    path: '/api/v1/schedules/{id}/trigger',
    query: [],
    headers: ['Idempotency-Key'],
    media: 'application/json',
  },
  'schedules.backfill': {
    method: 'POST',
    path: '/api/v1/schedules/{id}/backfill',
    query: [],
    headers: ['Idempotency-Key'],
    media: 'application/json',
  },
  'schedules.preview': { method: 'GET', path: '/api/v1/schedules/{id}/preview', query: ['count'], headers: [] },
  'schedules.history': {
    method: 'GET',
    path: '/api/v1/schedules/{id}/history',
    query: ['limit', 'cursor'],
    headers: [],
    items: 'events',
  },
  'tasks.create': {
    method: 'POST',
    path: '/api/v1/tasks',
    query: [],
    headers: ['Idempotency-Key'],
    media: 'application/json',
  },
  'tasks.list': { method: 'GET', path: '/api/v1/tasks', query: ['limit', 'cursor'], headers: [], items: 'tasks' },
  'tasks.get': { method: 'GET', path: '/api/v1/tasks/{task_id}', query: [], headers: [] },
  'tasks.reschedule': {
    method: 'POST',
    path: '/api/v1/tasks/{task_id}/reschedule',
    query: [],
    headers: ['Idempotency-Key'],
    media: 'application/json',
  },
  'tasks.cancel': {
    method: 'POST',
    path: '/api/v1/tasks/{task_id}/cancel',
    query: [],
    headers: ['Idempotency-Key'],
    media: 'application/json',
  },
  'workflows.create': {
    method: 'POST',
    path: '/api/v1/workflows',
    query: [],
    headers: ['Idempotency-Key'],
    media: 'application/json',
  },
  'workflows.list': {
    method: 'GET',
    path: '/api/v1/workflows',
    query: ['limit', 'cursor'],
    headers: [],
    items: 'workflows',
  },
  'workflows.get': { method: 'GET', path: '/api/v1/workflows/{id}', query: [], headers: [] },
  'workflows.update': {
    method: 'PUT',
    path: '/api/v1/workflows/{id}',
    query: [],
    headers: ['If-Match', 'If-None-Match'],
    media: 'application/json',
  },
  'workflows.delete': {
    method: 'DELETE',
    path: '/api/v1/workflows/{id}',
    query: [],
    headers: ['If-Match', 'If-None-Match'],
  },
  'workflows.start': {
    method: 'POST',
    path: '/api/v1/workflows/{id}/start',
    query: [],
    headers: ['Idempotency-Key'],
    media: 'application/json',
  },
  'workflows.pause': {
    method: 'POST',
    path: '/api/v1/workflows/{id}/pause',
    query: [],
    headers: ['Idempotency-Key'],
    media: 'application/json',
  },
  'workflows.resume': {
    method: 'POST',
    path: '/api/v1/workflows/{id}/resume',
    query: [],
    headers: ['Idempotency-Key'],
    media: 'application/json',
  },
  'workflows.runs': {
    method: 'GET',
    path: '/api/v1/workflows/{id}/runs',
    query: ['limit', 'cursor'],
    headers: [],
    items: 'runs',
  },
  'workflows.run': { method: 'GET', path: '/api/v1/workflows/{id}/runs/{run_id}', query: [], headers: [] },
  'processes.create': {
    method: 'POST',
    path: '/api/v1/processes',
    query: [],
    headers: ['Idempotency-Key'],
    media: 'application/json',
  },
  'processes.list': {
    method: 'GET',
    path: '/api/v1/processes',
    query: ['limit', 'cursor'],
    headers: [],
    items: 'processes',
  },
  'processes.get': { method: 'GET', path: '/api/v1/processes/{id}', query: [], headers: [] },
  'processes.update': {
    method: 'PUT',
    path: '/api/v1/processes/{id}',
    query: [],
    headers: ['If-Match', 'If-None-Match'],
    media: 'application/json',
  },
  'processes.delete': {
    method: 'DELETE',
    path: '/api/v1/processes/{id}',
    query: [],
    headers: ['If-Match', 'If-None-Match'],
  },
  'processes.start': {
    method: 'POST',
    path: '/api/v1/processes/{id}/start',
    query: [],
    headers: ['Idempotency-Key'],
    media: 'application/json',
  },
  'processes.retry': {
    method: 'POST',
    path: '/api/v1/processes/{id}/retry',
    query: [],
    headers: ['Idempotency-Key'],
    media: 'application/json',
  },
  'processes.cancel': {
    method: 'POST',
    path: '/api/v1/processes/{id}/cancel',
    query: [],
    headers: ['Idempotency-Key'],
    media: 'application/json',
  },
  'processes.runs': {
    method: 'GET',
    path: '/api/v1/processes/{id}/runs',
    query: ['limit', 'cursor'],
    headers: [],
    items: 'runs',
  },
  'processes.run': { method: 'GET', path: '/api/v1/processes/{id}/runs/{run_id}', query: [], headers: [] },
  'audit.list': {
    method: 'GET',
    path: '/api/v1/audit',
    query: [
      'tenant_id',
      'user_id',
      'key_id',
      'action',
      'resource',
      'execution_id',
      'outcome',
      'from',
      'before',
      'limit',
      'cursor',
    ],
    headers: [],
    items: 'entries',
  },
  'audit.export': {
    method: 'GET',
    path: '/api/v1/audit/export',
    query: ['tenant_id', 'user_id', 'key_id', 'action', 'resource', 'execution_id', 'outcome', 'from', 'before'],
    headers: [],
  },
} as const satisfies Record<string, OperationSpec>;

export type OperationId = keyof typeof OPERATIONS;

export class OperationsOperations {
  constructor(protected readonly caller: Caller) {}

  /** What this is and where its documentation is */
  root(options?: CallOptions): Answer<Links> {
    return this.caller.call<Links>('operations.root', { path: {}, options });
  }

  /** The JSON Schema of configs */
  configSchema(options?: CallOptions): Answer<ConfigJsonSchema> {
    return this.caller.call<ConfigJsonSchema>('operations.configSchema', { path: {}, options });
  }

  /** Whether the process runs */
  live(options?: CallOptions): Answer<Liveness> {
    return this.caller.call<Liveness>('operations.live', { path: {}, options });
  }

  /** Whether requests can be served: NATS, config and execution answer */
  ready(options?: CallOptions): Answer<Readiness> {
    return this.caller.call<Readiness>('operations.ready', { path: {}, options });
  }

  /** Metrics in the Prometheus text format */
  metrics(options?: CallOptions): Answer<string> {
    return this.caller.call<string>('operations.metrics', { path: {}, options });
  }
}

export interface ConfigsCreateOptions extends CallOptions {
  /** Your own key, 1 to 255 visible ASCII characters: the request takes effect once, and for 24 hours a repeat gets the first answer, with `repeated`. A different request with the same key is refused with 422 `idempotency_mismatch`. */
  idempotencyKey?: string | undefined;
}

export interface ConfigsListOptions extends CallOptions {
  /** Configs whose name contains this. */
  name?: string | undefined;
  /** Configs with this strategy. */
  strategy?: 'sequential' | 'parallel' | 'consensus' | 'fallback' | undefined;
  /** Configs of this owner. */
  owner_id?: string | undefined;
  /** Deleted ones too. */
  include_deleted?: boolean | undefined;
  /** Items on a page, 1 to 200. */
  limit?: number | undefined;
  /** `next_cursor` of the page before; leave out for the first page. */
  cursor?: string | undefined;
  /** Items to pass over, instead of `cursor`; the answer then has `total`, `limit` and `offset`. Items made meanwhile move the others; a cursor does not notice them. */
  offset?: number | undefined;
  /** Says in `total` how many items match on all pages together. */
  with_total?: boolean | undefined;
}

export interface ConfigsGetOptions extends CallOptions {
  /** Also when it was deleted. */
  include_deleted?: boolean | undefined;
  /** ETags that you have, or `*`: the answer is 304 without a body while one of them is current. */
  ifNoneMatch?: string | undefined;
}

export interface ConfigsUpdateOptions extends CallOptions {
  /** The ETag that you read, a list of them, or `*`. If the resource has changed since, the request is refused with 412 `version_conflict`. Weak tags (`W/`) match nothing (RFC 9110, 13.1.1). For example `"3-x7JqT0aZkQ1bS9-e"`. */
  ifMatch?: string | undefined;
  /** `*`: only when it does not exist yet; ETags: only when it has none of them. Else 412 `version_conflict`. */
  ifNoneMatch?: string | undefined;
}

export interface ConfigsPatchOptions extends CallOptions {
  /** The ETag that you read, a list of them, or `*`. If the resource has changed since, the request is refused with 412 `version_conflict`. Weak tags (`W/`) match nothing (RFC 9110, 13.1.1). For example `"3-x7JqT0aZkQ1bS9-e"`. */
  ifMatch?: string | undefined;
  /** `*`: only when it does not exist yet; ETags: only when it has none of them. Else 412 `version_conflict`. */
  ifNoneMatch?: string | undefined;
}

export interface ConfigsDeleteOptions extends CallOptions {
  /** The ETag that you read, a list of them, or `*`. If the resource has changed since, the request is refused with 412 `version_conflict`. Weak tags (`W/`) match nothing (RFC 9110, 13.1.1). For example `"3-x7JqT0aZkQ1bS9-e"`. */
  ifMatch?: string | undefined;
  /** `*`: only when it does not exist yet; ETags: only when it has none of them. Else 412 `version_conflict`. */
  ifNoneMatch?: string | undefined;
}

export interface ConfigsRestoreOptions extends CallOptions {
  /** Your own key, 1 to 255 visible ASCII characters: the request takes effect once, and for 24 hours a repeat gets the first answer, with `repeated`. A different request with the same key is refused with 422 `idempotency_mismatch`. */
  idempotencyKey?: string | undefined;
  /** The ETag that you read, a list of them, or `*`. If the resource has changed since, the request is refused with 412 `version_conflict`. Weak tags (`W/`) match nothing (RFC 9110, 13.1.1). For example `"3-x7JqT0aZkQ1bS9-e"`. */
  ifMatch?: string | undefined;
  /** `*`: only when it does not exist yet; ETags: only when it has none of them. Else 412 `version_conflict`. */
  ifNoneMatch?: string | undefined;
}

export interface ConfigsVersionsOptions extends CallOptions {
  /** Items on a page, 1 to 200. */
  limit?: number | undefined;
  /** `next_cursor` of the page before; leave out for the first page. */
  cursor?: string | undefined;
  /** Also when the config was deleted. */
  include_deleted?: boolean | undefined;
}

export interface ConfigsVersionOptions extends CallOptions {
  /** Also when it was deleted. */
  include_deleted?: boolean | undefined;
  /** ETags that you have, or `*`: the answer is 304 without a body while one of them is current. */
  ifNoneMatch?: string | undefined;
}

export class ConfigsOperations {
  constructor(protected readonly caller: Caller) {}

  /** Create a config */
  create(body: ConfigBody, options?: ConfigsCreateOptions): Answer<Config> {
    return this.caller.call<Config>('configs.create', { path: {}, body, options });
  }

  /** List configs */
  list(options?: ConfigsListOptions): Pages<ConfigPage, Config> {
    return this.caller.pages<ConfigPage, Config>('configs.list', { path: {}, options });
  }

  /** Get a config by id or name */
  get(id: string, options?: ConfigsGetOptions): Answer<Config> {
    return this.caller.call<Config>('configs.get', { path: { id }, options });
  }

  /** Change a config: makes a new version */
  update(id: string, body: ConfigBody, options?: ConfigsUpdateOptions): Answer<Config> {
    return this.caller.call<Config>('configs.update', { path: { id }, body, options });
  }

  /** Change some fields of a config: makes a new version */
  patch(id: string, body: ConfigPatch, options?: ConfigsPatchOptions): Answer<Config> {
    return this.caller.call<Config>('configs.patch', { path: { id }, body, options });
  }

  /** Delete a config */
  delete(id: string, options?: ConfigsDeleteOptions): Answer<Config> {
    return this.caller.call<Config>('configs.delete', { path: { id }, options });
  }

  /** Restore a deleted config */
  restore(id: string, options?: ConfigsRestoreOptions): Answer<Config> {
    return this.caller.call<Config>('configs.restore', { path: { id }, options });
  }

  /** List a config's versions, newest first */
  versions(id: string, options?: ConfigsVersionsOptions): Pages<ConfigVersions, Config> {
    return this.caller.pages<ConfigVersions, Config>('configs.versions', { path: { id }, options });
  }

  /** Get one version of a config */
  version(id: string, version: number, options?: ConfigsVersionOptions): Answer<Config> {
    return this.caller.call<Config>('configs.version', { path: { id, version }, options });
  }
}

export interface ExecutionsStartOptions extends CallOptions {
  /** Wait this long, 1ms to 60s, for the end of the execution and answer 200 with its result. */
  wait?: string | undefined;
  /** Your own key, 1 to 255 visible ASCII characters: a repeat starts nothing, and the answer is the first execution with `repeated`. A different request with the same key is refused with 422 `idempotency_mismatch`. */
  idempotencyKey?: string | undefined;
  /** Your trace (W3C Trace Context), of which the execution becomes a part. A malformed one is ignored. */
  traceparent?: string | undefined;
}

export interface ExecutionsListOptions extends CallOptions {
  /** Executions of this config: its id or name. */
  config_id?: string | undefined;
  /** Executions in this status; may be given several times. */
  status?: ('pending' | 'running' | 'paused' | 'completed' | 'failed' | 'cancelled' | 'compensation')[] | undefined;
  /** Executions that this user started. */
  user?: string | undefined;
  /** Executions of this session. */
  session_id?: string | undefined;
  /** Executions that are steps of this execution, or work on items of its lists. */
  parent_id?: string | undefined;
  /** Created at this time or later. */
  created_from?: string | undefined;
  /** Created before this time. */
  created_to?: string | undefined;
  /** Items on a page, 1 to 200. */
  limit?: number | undefined;
  /** `next_cursor` of the page before; leave out for the first page. */
  cursor?: string | undefined;
  /** Items to pass over, instead of `cursor`; the answer then has `total`, `limit` and `offset`. Items made meanwhile move the others; a cursor does not notice them. */
  offset?: number | undefined;
  /** Says in `total` how many items match on all pages together. */
  with_total?: boolean | undefined;
}

export interface ExecutionsApprovalsOptions extends CallOptions {
  /** Approvals of executions of this config: its id or name. */
  config_id?: string | undefined;
  /** Approvals of this execution. */
  execution_id?: string | undefined;
  /** Those that this user may decide, by the `approvers` of the step. */
  approver?: string | undefined;
  /** Items on a page, 1 to 200. */
  limit?: number | undefined;
  /** `next_cursor` of the page before; leave out for the first page. */
  cursor?: string | undefined;
}

export interface ExecutionsGetOptions extends CallOptions {
  /** The state after the event with this version, from 1; the newest when left out. */
  at_version?: number | undefined;
}

export interface ExecutionsDeleteOptions extends CallOptions {
  /** Why; it is kept. */
  reason?: string | undefined;
  /** Only while this is its newest version. */
  if_version?: number | undefined;
  /** Your own key, 1 to 255 visible ASCII characters: the command takes effect once, and the answer to a repeat has `repeated`. A different request with the same key is refused with 422 `idempotency_mismatch`. */
  idempotencyKey?: string | undefined;
}

export interface ExecutionsEventsOptions extends CallOptions {
  /** First version wanted; 1 when left out. */
  from_version?: number | undefined;
  /** Items on a page, 1 to 1000. */
  limit?: number | undefined;
  /** `next_cursor` of the page before; leave out for the first page. */
  cursor?: string | undefined;
}

export interface ExecutionsResultOptions extends CallOptions {
  /** Wait this long, 1ms to 60s, for the end of the execution and answer 200 with its result. */
  wait?: string | undefined;
}

export interface ExecutionsStreamOptions extends CallOptions {
  /** Only what this attempt has said. */
  attempt?: number | undefined;
  /** `place` of the last part or end that was read, such as `1.20` or `2.end`; from the beginning when left out. */
  after?: string | undefined;
  /** Items on a page, 1 to 1000. */
  limit?: number | undefined;
}

export interface ExecutionsPauseOptions extends CallOptions {
  /** Your own key, 1 to 255 visible ASCII characters: the command takes effect once, and the answer to a repeat has `repeated`. A different request with the same key is refused with 422 `idempotency_mismatch`. */
  idempotencyKey?: string | undefined;
}

export interface ExecutionsResumeOptions extends CallOptions {
  /** Your own key, 1 to 255 visible ASCII characters: the command takes effect once, and the answer to a repeat has `repeated`. A different request with the same key is refused with 422 `idempotency_mismatch`. */
  idempotencyKey?: string | undefined;
}

export interface ExecutionsCancelOptions extends CallOptions {
  /** Your own key, 1 to 255 visible ASCII characters: the command takes effect once, and the answer to a repeat has `repeated`. A different request with the same key is refused with 422 `idempotency_mismatch`. */
  idempotencyKey?: string | undefined;
}

export interface ExecutionsTerminateOptions extends CallOptions {
  /** Your own key, 1 to 255 visible ASCII characters: the command takes effect once, and the answer to a repeat has `repeated`. A different request with the same key is refused with 422 `idempotency_mismatch`. */
  idempotencyKey?: string | undefined;
}

export interface ExecutionsRetryOptions extends CallOptions {
  /** Your own key, 1 to 255 visible ASCII characters: the command takes effect once, and the answer to a repeat has `repeated`. A different request with the same key is refused with 422 `idempotency_mismatch`. */
  idempotencyKey?: string | undefined;
}

export interface ExecutionsCompensateOptions extends CallOptions {
  /** Your own key, 1 to 255 visible ASCII characters: the command takes effect once, and the answer to a repeat has `repeated`. A different request with the same key is refused with 422 `idempotency_mismatch`. */
  idempotencyKey?: string | undefined;
}

export interface ExecutionsRestoreOptions extends CallOptions {
  /** Your own key, 1 to 255 visible ASCII characters: the command takes effect once, and the answer to a repeat has `repeated`. A different request with the same key is refused with 422 `idempotency_mismatch`. */
  idempotencyKey?: string | undefined;
}

export interface ExecutionsSkipOptions extends CallOptions {
  /** Your own key, 1 to 255 visible ASCII characters: the command takes effect once, and the answer to a repeat has `repeated`. A different request with the same key is refused with 422 `idempotency_mismatch`. */
  idempotencyKey?: string | undefined;
}

export interface ExecutionsApproveOptions extends CallOptions {
  /** Your own key, 1 to 255 visible ASCII characters: the command takes effect once, and the answer to a repeat has `repeated`. A different request with the same key is refused with 422 `idempotency_mismatch`. */
  idempotencyKey?: string | undefined;
}

export interface ExecutionsRejectOptions extends CallOptions {
  /** Your own key, 1 to 255 visible ASCII characters: the command takes effect once, and the answer to a repeat has `repeated`. A different request with the same key is refused with 422 `idempotency_mismatch`. */
  idempotencyKey?: string | undefined;
}

export interface ExecutionsSignalOptions extends CallOptions {
  /** Your own key, 1 to 255 visible ASCII characters: the command takes effect once, and the answer to a repeat has `repeated`. A different request with the same key is refused with 422 `idempotency_mismatch`. */
  idempotencyKey?: string | undefined;
}

export interface ExecutionsForkOptions extends CallOptions {
  /** Wait this long, 1ms to 60s, for the end of the execution and answer 200 with its result. */
  wait?: string | undefined;
  /** Your own key, 1 to 255 visible ASCII characters: a repeat starts nothing, and the answer is the first execution with `repeated`. A different request with the same key is refused with 422 `idempotency_mismatch`. */
  idempotencyKey?: string | undefined;
  /** Your trace (W3C Trace Context), of which the execution becomes a part. A malformed one is ignored. */
  traceparent?: string | undefined;
}

export class ExecutionsOperations {
  constructor(protected readonly caller: Caller) {}

  /** Start an execution of a config, by its id or name */
  start(configId: string, body?: ExecuteBody, options?: ExecutionsStartOptions): Answer<ExecutionResult | Started> {
    return this.caller.call<ExecutionResult | Started>('executions.start', {
      path: { config_id: configId },
      body,
      options,
    });
  }

  /** Where an execution stands, by its trace id */
  status(traceId: string, options?: CallOptions): Answer<ExecutionStatus> {
    return this.caller.call<ExecutionStatus>('executions.status', { path: { trace_id: traceId }, options });
  }

  /** List executions, newest first */
  list(options?: ExecutionsListOptions): Pages<ExecutionPage, ExecutionSummary> {
    return this.caller.pages<ExecutionPage, ExecutionSummary>('executions.list', { path: {}, options });
  }

  /** List approvals that wait for a decision, oldest first */
  approvals(options?: ExecutionsApprovalsOptions): Pages<ApprovalPage, ApprovalSummary> {
    return this.caller.pages<ApprovalPage, ApprovalSummary>('executions.approvals', { path: {}, options });
  }

  /** Get an execution with its steps, as it is or as it was */
  get(id: string, options?: ExecutionsGetOptions): Answer<ExecutionView> {
    return this.caller.call<ExecutionView>('executions.get', { path: { id }, options });
  }

  /** Delete an execution that has ended */
  delete(id: string, options?: ExecutionsDeleteOptions): Answer<Commanded> {
    return this.caller.call<Commanded>('executions.delete', { path: { id }, options });
  }

  /** Read an execution's events */
  events(id: string, options?: ExecutionsEventsOptions): Pages<EventPage, Event> {
    return this.caller.pages<EventPage, Event>('executions.events', { path: { id }, options });
  }

  /** Read one event with all of its data */
  event(id: string, version: number, options?: CallOptions): Answer<Event> {
    return this.caller.call<Event>('executions.event', { path: { id, version }, options });
  }

  /** Verify that the stored events of an execution are those that were committed */
  verify(id: string, options?: CallOptions): Answer<ExecutionIntegrity> {
    return this.caller.call<ExecutionIntegrity>('executions.verify', { path: { id }, options });
  }

  /** Export an execution as a bundle that can be checked without the platform */
  export(id: string, options?: CallOptions): Answer<string> {
    return this.caller.call<string>('executions.export', { path: { id }, options });
  }

  /** Get an execution's steps with their outputs */
  steps(id: string, options?: CallOptions): Answer<ExecutionSteps> {
    return this.caller.call<ExecutionSteps>('executions.steps', { path: { id }, options });
  }

  /** Get one step with what its agent got, its output and every attempt */
  step(id: string, stepId: string, options?: CallOptions): Answer<StepDetail> {
    return this.caller.call<StepDetail>('executions.step', { path: { id, step_id: stepId }, options });
  }

  /** Get the output of a step or consensus group */
  output(id: string, stepId: string, options?: CallOptions): Answer<StepOutput> {
    return this.caller.call<StepOutput>('executions.output', { path: { id, step_id: stepId }, options });
  }

  /** Get an execution's result */
  result(id: string, options?: ExecutionsResultOptions): Answer<ExecutionResult> {
    return this.caller.call<ExecutionResult>('executions.result', { path: { id }, options });
  }

  /** Read what a step says while it runs */
  stream(id: string, stepId: string, options?: ExecutionsStreamOptions): Answer<StepStream> {
    return this.caller.call<StepStream>('executions.stream', { path: { id, step_id: stepId }, options });
  }

  /** Pause an execution */
  pause(id: string, body?: PauseBody, options?: ExecutionsPauseOptions): Answer<Commanded> {
    return this.caller.call<Commanded>('executions.pause', { path: { id }, body, options });
  }

  /** Resume a paused execution */
  resume(id: string, body?: ReasonBody, options?: ExecutionsResumeOptions): Answer<Commanded> {
    return this.caller.call<Commanded>('executions.resume', { path: { id }, body, options });
  }

  /** Cancel an execution */
  cancel(id: string, body?: CancelBody, options?: ExecutionsCancelOptions): Answer<Commanded> {
    return this.caller.call<Commanded>('executions.cancel', { path: { id }, body, options });
  }

  /** End an execution at once */
  terminate(id: string, body?: ReasonBody, options?: ExecutionsTerminateOptions): Answer<Commanded> {
    return this.caller.call<Commanded>('executions.terminate', { path: { id }, body, options });
  }

  /** Run a failed or cancelled execution again from its failed steps */
  retry(id: string, body?: ReasonBody, options?: ExecutionsRetryOptions): Answer<Commanded> {
    return this.caller.call<Commanded>('executions.retry', { path: { id }, body, options });
  }

  /** Undo what an ended execution has not undone */
  compensate(id: string, body?: ReasonBody, options?: ExecutionsCompensateOptions): Answer<Commanded> {
    return this.caller.call<Commanded>('executions.compensate', { path: { id }, body, options });
  }

  /** Put an archived execution back, to be read */
  restore(id: string, body?: ReasonBody, options?: ExecutionsRestoreOptions): Answer<Commanded> {
    return this.caller.call<Commanded>('executions.restore', { path: { id }, body, options });
  }

  /** Skip a step */
  skip(id: string, stepId: string, body?: ReasonBody, options?: ExecutionsSkipOptions): Answer<Commanded> {
    return this.caller.call<Commanded>('executions.skip', { path: { id, step_id: stepId }, body, options });
  }

  /** Approve a step that waits for a human */
  approve(id: string, stepId: string, body?: DecisionBody, options?: ExecutionsApproveOptions): Answer<Commanded> {
    return this.caller.call<Commanded>('executions.approve', { path: { id, step_id: stepId }, body, options });
  }

  /** Reject a step that waits for a human */
  reject(id: string, stepId: string, body?: DecisionBody, options?: ExecutionsRejectOptions): Answer<Commanded> {
    return this.caller.call<Commanded>('executions.reject', { path: { id, step_id: stepId }, body, options });
  }

  /** Send a signal that a step waits for */
  signal(id: string, name: string, body?: SignalBody, options?: ExecutionsSignalOptions): Answer<Commanded> {
    return this.caller.call<Commanded>('executions.signal', { path: { id, name }, body, options });
  }

  /** Start a copy of an execution from one of its steps */
  fork(id: string, body: ForkBody, options?: ExecutionsForkOptions): Answer<ExecutionResult | Started> {
    return this.caller.call<ExecutionResult | Started>('executions.fork', { path: { id }, body, options });
  }
}

export interface AgentsGetOptions extends CallOptions {
  /** ETags that you have, or `*`: the answer is 304 without a body while one of them is current. */
  ifNoneMatch?: string | undefined;
}

export interface AgentsPutOptions extends CallOptions {
  /** The ETag that you read, a list of them, or `*`. If the resource has changed since, the request is refused with 412 `version_conflict`. Weak tags (`W/`) match nothing (RFC 9110, 13.1.1). For example `"3-x7JqT0aZkQ1bS9-e"`. */
  ifMatch?: string | undefined;
  /** `*`: only when it does not exist yet; ETags: only when it has none of them. Else 412 `version_conflict`. */
  ifNoneMatch?: string | undefined;
}

export interface AgentsPatchOptions extends CallOptions {
  /** The ETag that you read, a list of them, or `*`. If the resource has changed since, the request is refused with 412 `version_conflict`. Weak tags (`W/`) match nothing (RFC 9110, 13.1.1). For example `"3-x7JqT0aZkQ1bS9-e"`. */
  ifMatch?: string | undefined;
  /** `*`: only when it does not exist yet; ETags: only when it has none of them. Else 412 `version_conflict`. */
  ifNoneMatch?: string | undefined;
}

export interface AgentsDeleteOptions extends CallOptions {
  /** The ETag that you read, a list of them, or `*`. If the resource has changed since, the request is refused with 412 `version_conflict`. Weak tags (`W/`) match nothing (RFC 9110, 13.1.1). For example `"3-x7JqT0aZkQ1bS9-e"`. */
  ifMatch?: string | undefined;
  /** `*`: only when it does not exist yet; ETags: only when it has none of them. Else 412 `version_conflict`. */
  ifNoneMatch?: string | undefined;
}

export class AgentsOperations {
  constructor(protected readonly caller: Caller) {}

  /** List agents, the built-in ones too */
  list(options?: CallOptions): Answer<AgentList> {
    return this.caller.call<AgentList>('agents.list', { path: {}, options });
  }

  /** Get an agent */
  get(name: string, options?: AgentsGetOptions): Answer<Agent> {
    return this.caller.call<Agent>('agents.get', { path: { name }, options });
  }

  /** Register an agent that your own workers serve */
  put(name: string, body: AgentBody, options?: AgentsPutOptions): Answer<Agent> {
    return this.caller.call<Agent>('agents.put', { path: { name }, body, options });
  }

  /** Change some fields of an agent */
  patch(name: string, body: AgentPatch, options?: AgentsPatchOptions): Answer<Agent> {
    return this.caller.call<Agent>('agents.patch', { path: { name }, body, options });
  }

  /** Remove an agent */
  delete(name: string, options?: AgentsDeleteOptions): Answer<Agent> {
    return this.caller.call<Agent>('agents.delete', { path: { name }, options });
  }
}

export interface PoolsListCredentialsOptions extends CallOptions {
  /** Items on a page, 1 to 200. */
  limit?: number | undefined;
  /** `next_cursor` of the page before; leave out for the first page. */
  cursor?: string | undefined;
}

export interface PoolsGetCredentialsOptions extends CallOptions {
  /** ETags that you have, or `*`: the answer is 304 without a body while one of them is current. */
  ifNoneMatch?: string | undefined;
}

export interface PoolsRevokeCredentialsOptions extends CallOptions {
  /** The ETag that you read, a list of them, or `*`. If the resource has changed since, the request is refused with 412 `version_conflict`. Weak tags (`W/`) match nothing (RFC 9110, 13.1.1). For example `"3-x7JqT0aZkQ1bS9-e"`. */
  ifMatch?: string | undefined;
  /** `*`: only when it does not exist yet; ETags: only when it has none of them. Else 412 `version_conflict`. */
  ifNoneMatch?: string | undefined;
}

export class PoolsOperations {
  constructor(protected readonly caller: Caller) {}

  /** List the pools of workers that serve your agents, and the built-in one */
  list(options?: CallOptions): Answer<PoolList> {
    return this.caller.call<PoolList>('pools.list', { path: {}, options });
  }

  /** Make NATS credentials for workers of a pool */
  createCredentials(pool: string, body: PoolCredentialsBody, options?: CallOptions): Answer<NewPoolCredentials> {
    return this.caller.call<NewPoolCredentials>('pools.createCredentials', { path: { pool }, body, options });
  }

  /** List the tenant's NATS credentials of a pool, without the files */
  listCredentials(pool: string, options?: PoolsListCredentialsOptions): Pages<PoolCredentialsPage, PoolCredentials> {
    return this.caller.pages<PoolCredentialsPage, PoolCredentials>('pools.listCredentials', {
      path: { pool },
      options,
    });
  }

  /** Get NATS credentials of a pool, without the file */
  getCredentials(pool: string, id: string, options?: PoolsGetCredentialsOptions): Answer<PoolCredentials> {
    return this.caller.call<PoolCredentials>('pools.getCredentials', { path: { pool, id }, options });
  }

  /** Revoke NATS credentials of a pool */
  revokeCredentials(pool: string, id: string, options?: PoolsRevokeCredentialsOptions): Answer<PoolCredentials> {
    return this.caller.call<PoolCredentials>('pools.revokeCredentials', { path: { pool, id }, options });
  }
}

export class PausesOperations {
  constructor(protected readonly caller: Caller) {}

  /** List what is paused: the tenant, agents and pools */
  list(options?: CallOptions): Answer<PauseList> {
    return this.caller.call<PauseList>('pauses.list', { path: {}, options });
  }

  /** Pause a tenant, an agent or a pool */
  begin(kind: 'tenant' | 'agent' | 'pool', name: string, body?: BeginPauseBody, options?: CallOptions): Answer<Pause> {
    return this.caller.call<Pause>('pauses.begin', { path: { kind, name }, body, options });
  }

  /** Resume a tenant, an agent or a pool */
  end(kind: 'tenant' | 'agent' | 'pool', name: string, options?: CallOptions): Answer<Pause> {
    return this.caller.call<Pause>('pauses.end', { path: { kind, name }, options });
  }
}

export interface KnowledgePutOptions extends CallOptions {
  /** Your own key, 1 to 255 visible ASCII characters: the request takes effect once, and for 24 hours a repeat gets the first answer, with `repeated`. A different request with the same key is refused with 422 `idempotency_mismatch`. */
  idempotencyKey?: string | undefined;
  /** The ETag that you read, a list of them, or `*`. If the resource has changed since, the request is refused with 412 `version_conflict`. Weak tags (`W/`) match nothing (RFC 9110, 13.1.1). For example `"3-x7JqT0aZkQ1bS9-e"`. */
  ifMatch?: string | undefined;
  /** `*`: only when it does not exist yet; ETags: only when it has none of them. Else 412 `version_conflict`. */
  ifNoneMatch?: string | undefined;
}

export interface KnowledgeListOptions extends CallOptions {
  /** Items on a page, 1 to 200. */
  limit?: number | undefined;
  /** `next_cursor` of the page before; leave out for the first page. */
  cursor?: string | undefined;
}

export interface KnowledgeGetOptions extends CallOptions {
  /** ETags that you have, or `*`: the answer is 304 without a body while one of them is current. */
  ifNoneMatch?: string | undefined;
}

export interface KnowledgeDeleteOptions extends CallOptions {
  /** The ETag that you read, a list of them, or `*`. If the resource has changed since, the request is refused with 412 `version_conflict`. Weak tags (`W/`) match nothing (RFC 9110, 13.1.1). For example `"3-x7JqT0aZkQ1bS9-e"`. */
  ifMatch?: string | undefined;
  /** `*`: only when it does not exist yet; ETags: only when it has none of them. Else 412 `version_conflict`. */
  ifNoneMatch?: string | undefined;
}

export interface KnowledgeSearchOptions extends CallOptions {
  /** What to look for. */
  q: string;
  /** Items on a page, 1 to 50. */
  limit?: number | undefined;
}

export class KnowledgeOperations {
  constructor(protected readonly caller: Caller) {}

  /** Add a document, or replace the one with the same source */
  put(body: DocumentBody, options?: KnowledgePutOptions): Answer<StoredDocument> {
    return this.caller.call<StoredDocument>('knowledge.put', { path: {}, body, options });
  }

  /** List documents */
  list(options?: KnowledgeListOptions): Pages<DocumentPage, KnowledgeDocument> {
    return this.caller.pages<DocumentPage, KnowledgeDocument>('knowledge.list', { path: {}, options });
  }

  /** Get what is known of a document, without its text */
  get(id: string, options?: KnowledgeGetOptions): Answer<KnowledgeDocument> {
    return this.caller.call<KnowledgeDocument>('knowledge.get', { path: { id }, options });
  }

  /** Remove a document */
  delete(id: string, options?: KnowledgeDeleteOptions): Answer<KnowledgeDocument> {
    return this.caller.call<KnowledgeDocument>('knowledge.delete', { path: { id }, options });
  }

  /** Search the documents */
  search(options: KnowledgeSearchOptions): Answer<Passages> {
    return this.caller.call<Passages>('knowledge.search', { path: {}, options });
  }
}

export interface SecretsListOptions extends CallOptions {
  /** Items on a page, 1 to 200. */
  limit?: number | undefined;
  /** `next_cursor` of the page before; leave out for the first page. */
  cursor?: string | undefined;
}

export interface SecretsGetOptions extends CallOptions {
  /** ETags that you have, or `*`: the answer is 304 without a body while one of them is current. */
  ifNoneMatch?: string | undefined;
}

export interface SecretsPutOptions extends CallOptions {
  /** The ETag that you read, a list of them, or `*`. If the resource has changed since, the request is refused with 412 `version_conflict`. Weak tags (`W/`) match nothing (RFC 9110, 13.1.1). For example `"3-x7JqT0aZkQ1bS9-e"`. */
  ifMatch?: string | undefined;
  /** `*`: only when it does not exist yet; ETags: only when it has none of them. Else 412 `version_conflict`. */
  ifNoneMatch?: string | undefined;
}

export interface SecretsDeleteOptions extends CallOptions {
  /** The ETag that you read, a list of them, or `*`. If the resource has changed since, the request is refused with 412 `version_conflict`. Weak tags (`W/`) match nothing (RFC 9110, 13.1.1). For example `"3-x7JqT0aZkQ1bS9-e"`. */
  ifMatch?: string | undefined;
  /** `*`: only when it does not exist yet; ETags: only when it has none of them. Else 412 `version_conflict`. */
  ifNoneMatch?: string | undefined;
}

export class SecretsOperations {
  constructor(protected readonly caller: Caller) {}

  /** List secrets, without their values */
  list(options?: SecretsListOptions): Pages<SecretPage, SecretInfo> {
    return this.caller.pages<SecretPage, SecretInfo>('secrets.list', { path: {}, options });
  }

  /** Get what is known of a secret, without its value */
  get(name: string, options?: SecretsGetOptions): Answer<SecretInfo> {
    return this.caller.call<SecretInfo>('secrets.get', { path: { name }, options });
  }

  /** Make a secret, or give it a new value */
  put(name: string, body: SecretBody, options?: SecretsPutOptions): Answer<SecretInfo> {
    return this.caller.call<SecretInfo>('secrets.put', { path: { name }, body, options });
  }

  /** Delete a secret and its value */
  delete(name: string, options?: SecretsDeleteOptions): Answer<SecretInfo> {
    return this.caller.call<SecretInfo>('secrets.delete', { path: { name }, options });
  }
}

export interface ModelsGetOptions extends CallOptions {
  /** ETags that you have, or `*`: the answer is 304 without a body while one of them is current. */
  ifNoneMatch?: string | undefined;
}

export interface ModelsPutOptions extends CallOptions {
  /** The ETag that you read, a list of them, or `*`. If the resource has changed since, the request is refused with 412 `version_conflict`. Weak tags (`W/`) match nothing (RFC 9110, 13.1.1). For example `"3-x7JqT0aZkQ1bS9-e"`. */
  ifMatch?: string | undefined;
  /** `*`: only when it does not exist yet; ETags: only when it has none of them. Else 412 `version_conflict`. */
  ifNoneMatch?: string | undefined;
}

export interface ModelsDeleteOptions extends CallOptions {
  /** The ETag that you read, a list of them, or `*`. If the resource has changed since, the request is refused with 412 `version_conflict`. Weak tags (`W/`) match nothing (RFC 9110, 13.1.1). For example `"3-x7JqT0aZkQ1bS9-e"`. */
  ifMatch?: string | undefined;
  /** `*`: only when it does not exist yet; ETags: only when it has none of them. Else 412 `version_conflict`. */
  ifNoneMatch?: string | undefined;
}

export class ModelsOperations {
  constructor(protected readonly caller: Caller) {}

  /** List models */
  list(options?: CallOptions): Answer<ModelList> {
    return this.caller.call<ModelList>('models.list', { path: {}, options });
  }

  /** Get a model */
  get(name: string, options?: ModelsGetOptions): Answer<Model> {
    return this.caller.call<Model>('models.get', { path: { name }, options });
  }

  /** Make or change a model */
  put(name: string, body: ModelBody, options?: ModelsPutOptions): Answer<Model> {
    return this.caller.call<Model>('models.put', { path: { name }, body, options });
  }

  /** Delete a model */
  delete(name: string, options?: ModelsDeleteOptions): Answer<Model> {
    return this.caller.call<Model>('models.delete', { path: { name }, options });
  }
}

export interface McpServersGetOptions extends CallOptions {
  /** ETags that you have, or `*`: the answer is 304 without a body while one of them is current. */
  ifNoneMatch?: string | undefined;
}

export interface McpServersPutOptions extends CallOptions {
  /** The ETag that you read, a list of them, or `*`. If the resource has changed since, the request is refused with 412 `version_conflict`. Weak tags (`W/`) match nothing (RFC 9110, 13.1.1). For example `"3-x7JqT0aZkQ1bS9-e"`. */
  ifMatch?: string | undefined;
  /** `*`: only when it does not exist yet; ETags: only when it has none of them. Else 412 `version_conflict`. */
  ifNoneMatch?: string | undefined;
}

export interface McpServersDeleteOptions extends CallOptions {
  /** The ETag that you read, a list of them, or `*`. If the resource has changed since, the request is refused with 412 `version_conflict`. Weak tags (`W/`) match nothing (RFC 9110, 13.1.1). For example `"3-x7JqT0aZkQ1bS9-e"`. */
  ifMatch?: string | undefined;
  /** `*`: only when it does not exist yet; ETags: only when it has none of them. Else 412 `version_conflict`. */
  ifNoneMatch?: string | undefined;
}

export class McpServersOperations {
  constructor(protected readonly caller: Caller) {}

  /** List MCP servers */
  list(options?: CallOptions): Answer<McpServerList> {
    return this.caller.call<McpServerList>('mcpServers.list', { path: {}, options });
  }

  /** Get an MCP server with the tools that may be called */
  get(name: string, options?: McpServersGetOptions): Answer<McpServer> {
    return this.caller.call<McpServer>('mcpServers.get', { path: { name }, options });
  }

  /** Make or change an MCP server */
  put(name: string, body: McpServerBody, options?: McpServersPutOptions): Answer<McpServer> {
    return this.caller.call<McpServer>('mcpServers.put', { path: { name }, body, options });
  }

  /** Delete an MCP server */
  delete(name: string, options?: McpServersDeleteOptions): Answer<McpServer> {
    return this.caller.call<McpServer>('mcpServers.delete', { path: { name }, options });
  }

  /** List what an MCP server offers now */
  tools(name: string, options?: CallOptions): Answer<McpToolList> {
    return this.caller.call<McpToolList>('mcpServers.tools', { path: { name }, options });
  }

  /** Say which tools of an MCP server may be called */
  consent(name: string, body: McpConsentBody, options?: CallOptions): Answer<McpServer> {
    return this.caller.call<McpServer>('mcpServers.consent', { path: { name }, body, options });
  }
}

export interface RetentionPoliciesGetOptions extends CallOptions {
  /** ETags that you have, or `*`: the answer is 304 without a body while one of them is current. */
  ifNoneMatch?: string | undefined;
}

export interface RetentionPoliciesPutOptions extends CallOptions {
  /** The ETag that you read, a list of them, or `*`. If the resource has changed since, the request is refused with 412 `version_conflict`. Weak tags (`W/`) match nothing (RFC 9110, 13.1.1). For example `"3-x7JqT0aZkQ1bS9-e"`. */
  ifMatch?: string | undefined;
  /** `*`: only when it does not exist yet; ETags: only when it has none of them. Else 412 `version_conflict`. */
  ifNoneMatch?: string | undefined;
}

export interface RetentionPoliciesDeleteOptions extends CallOptions {
  /** The ETag that you read, a list of them, or `*`. If the resource has changed since, the request is refused with 412 `version_conflict`. Weak tags (`W/`) match nothing (RFC 9110, 13.1.1). For example `"3-x7JqT0aZkQ1bS9-e"`. */
  ifMatch?: string | undefined;
  /** `*`: only when it does not exist yet; ETags: only when it has none of them. Else 412 `version_conflict`. */
  ifNoneMatch?: string | undefined;
}

export class RetentionPoliciesOperations {
  constructor(protected readonly caller: Caller) {}

  /** List retention policies, by name */
  list(options?: CallOptions): Answer<RetentionPolicies> {
    return this.caller.call<RetentionPolicies>('retentionPolicies.list', { path: {}, options });
  }

  /** Get a retention policy */
  get(name: string, options?: RetentionPoliciesGetOptions): Answer<RetentionPolicy> {
    return this.caller.call<RetentionPolicy>('retentionPolicies.get', { path: { name }, options });
  }

  /** Make a retention policy, or replace it */
  put(name: string, body: RetentionPolicyBody, options?: RetentionPoliciesPutOptions): Answer<RetentionPolicy> {
    return this.caller.call<RetentionPolicy>('retentionPolicies.put', { path: { name }, body, options });
  }

  /** Delete a retention policy */
  delete(name: string, options?: RetentionPoliciesDeleteOptions): Answer<RetentionPolicy> {
    return this.caller.call<RetentionPolicy>('retentionPolicies.delete', { path: { name }, options });
  }
}

export interface ApiKeysCreateOptions extends CallOptions {
  /** Your own key, 1 to 255 visible ASCII characters: the request takes effect once, and for 24 hours a repeat gets the first answer, with `repeated` and without the secret, which is shown only once. A different request with the same key is refused with 422 `idempotency_mismatch`. */
  idempotencyKey?: string | undefined;
}

export interface ApiKeysListOptions extends CallOptions {
  /** Items on a page, 1 to 200. */
  limit?: number | undefined;
  /** `next_cursor` of the page before; leave out for the first page. */
  cursor?: string | undefined;
}

export interface ApiKeysGetOptions extends CallOptions {
  /** ETags that you have, or `*`: the answer is 304 without a body while one of them is current. */
  ifNoneMatch?: string | undefined;
}

export interface ApiKeysRevokeOptions extends CallOptions {
  /** The ETag that you read, a list of them, or `*`. If the resource has changed since, the request is refused with 412 `version_conflict`. Weak tags (`W/`) match nothing (RFC 9110, 13.1.1). For example `"3-x7JqT0aZkQ1bS9-e"`. */
  ifMatch?: string | undefined;
  /** `*`: only when it does not exist yet; ETags: only when it has none of them. Else 412 `version_conflict`. */
  ifNoneMatch?: string | undefined;
}

export class ApiKeysOperations {
  constructor(protected readonly caller: Caller) {}

  /** Make an API key */
  create(body: ApiKeyBody, options?: ApiKeysCreateOptions): Answer<NewApiKey> {
    return this.caller.call<NewApiKey>('apiKeys.create', { path: {}, body, options });
  }

  /** List the tenant's API keys, without the keys themselves */
  list(options?: ApiKeysListOptions): Pages<ApiKeyPage, ApiKey> {
    return this.caller.pages<ApiKeyPage, ApiKey>('apiKeys.list', { path: {}, options });
  }

  /** Get an API key, without the key itself */
  get(id: string, options?: ApiKeysGetOptions): Answer<ApiKey> {
    return this.caller.call<ApiKey>('apiKeys.get', { path: { id }, options });
  }

  /** Revoke an API key */
  revoke(id: string, options?: ApiKeysRevokeOptions): Answer<ApiKey> {
    return this.caller.call<ApiKey>('apiKeys.revoke', { path: { id }, options });
  }
}

export interface TenantsListOptions extends CallOptions {
  /** Items on a page, 1 to 200. */
  limit?: number | undefined;
  /** `next_cursor` of the page before; leave out for the first page. */
  cursor?: string | undefined;
}

export interface TenantsLimitsOptions extends CallOptions {
  /** ETags that you have, or `*`: the answer is 304 without a body while one of them is current. */
  ifNoneMatch?: string | undefined;
}

export interface TenantsSetLimitsOptions extends CallOptions {
  /** The ETag that you read, a list of them, or `*`. If the resource has changed since, the request is refused with 412 `version_conflict`. Weak tags (`W/`) match nothing (RFC 9110, 13.1.1). For example `"3-x7JqT0aZkQ1bS9-e"`. */
  ifMatch?: string | undefined;
  /** `*`: only when it does not exist yet; ETags: only when it has none of them. Else 412 `version_conflict`. */
  ifNoneMatch?: string | undefined;
}

export interface TenantsSettingsOptions extends CallOptions {
  /** ETags that you have, or `*`: the answer is 304 without a body while one of them is current. */
  ifNoneMatch?: string | undefined;
}

export interface TenantsSetSettingsOptions extends CallOptions {
  /** The ETag that you read, a list of them, or `*`. If the resource has changed since, the request is refused with 412 `version_conflict`. Weak tags (`W/`) match nothing (RFC 9110, 13.1.1). For example `"3-x7JqT0aZkQ1bS9-e"`. */
  ifMatch?: string | undefined;
  /** `*`: only when it does not exist yet; ETags: only when it has none of them. Else 412 `version_conflict`. */
  ifNoneMatch?: string | undefined;
}

export class TenantsOperations {
  constructor(protected readonly caller: Caller) {}

  /** List tenants */
  list(options?: TenantsListOptions): Pages<TenantPage, Tenant> {
    return this.caller.pages<TenantPage, Tenant>('tenants.list', { path: {}, options });
  }

  /** Get the limits of a tenant, with what it uses now */
  limits(tenant: string, options?: TenantsLimitsOptions): Answer<TenantLimits> {
    return this.caller.call<TenantLimits>('tenants.limits', { path: { tenant }, options });
  }

  /** Set the limits of a tenant */
  setLimits(tenant: string, body: TenantLimitValues, options?: TenantsSetLimitsOptions): Answer<TenantLimits> {
    return this.caller.call<TenantLimits>('tenants.setLimits', { path: { tenant }, body, options });
  }

  /** Get what a tenant has chosen for itself */
  settings(tenant: string, options?: TenantsSettingsOptions): Answer<TenantSettings> {
    return this.caller.call<TenantSettings>('tenants.settings', { path: { tenant }, options });
  }

  /** Set what a tenant chooses for itself */
  setSettings(tenant: string, body: TenantSettingValues, options?: TenantsSetSettingsOptions): Answer<TenantSettings> {
    return this.caller.call<TenantSettings>('tenants.setSettings', { path: { tenant }, body, options });
  }
}

export interface CallbacksCreateOptions extends CallOptions {
  /** Your own key, 1 to 255 visible ASCII characters: the request takes effect once, and for 24 hours a repeat gets the first answer, with `repeated` and without the secret, which is shown only once. A different request with the same key is refused with 422 `idempotency_mismatch`. */
  idempotencyKey?: string | undefined;
}

export interface CallbacksListOptions extends CallOptions {
  /** Only callbacks of this config. */
  config_id?: string | undefined;
  /** Only callbacks of this execution. */
  execution_id?: string | undefined;
  /** Items on a page, 1 to 200. */
  limit?: number | undefined;
  /** `next_cursor` of the page before; leave out for the first page. */
  cursor?: string | undefined;
}

export interface CallbacksDeliveriesOptions extends CallOptions {
  /** Only deliveries about this execution. */
  execution_id?: string | undefined;
  /** Only deliveries of this callback. */
  callback_id?: string | undefined;
  /** Items on a page, 1 to 200. */
  limit?: number | undefined;
  /** `next_cursor` of the page before; leave out for the first page. */
  cursor?: string | undefined;
  /** Only deliveries with this status. */
  status?: ('pending' | 'sent' | 'delivered' | 'failed' | 'retrying')[] | undefined;
}

export interface CallbacksDeadLettersOptions extends CallOptions {
  /** Only deliveries about this execution. */
  execution_id?: string | undefined;
  /** Only deliveries of this callback. */
  callback_id?: string | undefined;
  /** Items on a page, 1 to 200. */
  limit?: number | undefined;
  /** `next_cursor` of the page before; leave out for the first page. */
  cursor?: string | undefined;
}

export interface CallbacksRedriveOptions extends CallOptions {
  /** Your own key, 1 to 255 visible ASCII characters: the request takes effect once, and for 24 hours a repeat gets the first answer, with `repeated`. A different request with the same key is refused with 422 `idempotency_mismatch`. */
  idempotencyKey?: string | undefined;
}

export interface CallbacksRotateTenantOptions extends CallOptions {
  /** Your own key, 1 to 255 visible ASCII characters: the request takes effect once, and for 24 hours a repeat gets the first answer, with `repeated` and without the secret, which is shown only once. A different request with the same key is refused with 422 `idempotency_mismatch`. */
  idempotencyKey?: string | undefined;
}

export interface CallbacksGetOptions extends CallOptions {
  /** ETags that you have, or `*`: the answer is 304 without a body while one of them is current. */
  ifNoneMatch?: string | undefined;
}

export interface CallbacksDeleteOptions extends CallOptions {
  /** The ETag that you read, a list of them, or `*`. If the resource has changed since, the request is refused with 412 `version_conflict`. Weak tags (`W/`) match nothing (RFC 9110, 13.1.1). For example `"3-x7JqT0aZkQ1bS9-e"`. */
  ifMatch?: string | undefined;
  /** `*`: only when it does not exist yet; ETags: only when it has none of them. Else 412 `version_conflict`. */
  ifNoneMatch?: string | undefined;
}

export interface CallbacksEnableOptions extends CallOptions {
  /** Your own key, 1 to 255 visible ASCII characters: the request takes effect once, and for 24 hours a repeat gets the first answer, with `repeated`. A different request with the same key is refused with 422 `idempotency_mismatch`. */
  idempotencyKey?: string | undefined;
  /** The ETag that you read, a list of them, or `*`. If the resource has changed since, the request is refused with 412 `version_conflict`. Weak tags (`W/`) match nothing (RFC 9110, 13.1.1). For example `"3-x7JqT0aZkQ1bS9-e"`. */
  ifMatch?: string | undefined;
  /** `*`: only when it does not exist yet; ETags: only when it has none of them. Else 412 `version_conflict`. */
  ifNoneMatch?: string | undefined;
}

export interface CallbacksRotateOptions extends CallOptions {
  /** Your own key, 1 to 255 visible ASCII characters: the request takes effect once, and for 24 hours a repeat gets the first answer, with `repeated` and without the secret, which is shown only once. A different request with the same key is refused with 422 `idempotency_mismatch`. */
  idempotencyKey?: string | undefined;
}

export class CallbacksOperations {
  constructor(protected readonly caller: Caller) {}

  /** Tell somebody about events of a config’s executions, or of one execution */
  create(body: CallbackBody, options?: CallbacksCreateOptions): Answer<NewCallback> {
    return this.caller.call<NewCallback>('callbacks.create', { path: {}, body, options });
  }

  /** List callbacks */
  list(options?: CallbacksListOptions): Pages<CallbackPage, Callback> {
    return this.caller.pages<CallbackPage, Callback>('callbacks.list', { path: {}, options });
  }

  /** List deliveries */
  deliveries(options?: CallbacksDeliveriesOptions): Pages<DeliveryPage, CallbackDelivery> {
    return this.caller.pages<DeliveryPage, CallbackDelivery>('callbacks.deliveries', { path: {}, options });
  }

  /** List the deliveries that were given up */
  deadLetters(options?: CallbacksDeadLettersOptions): Pages<DeliveryPage, CallbackDelivery> {
    return this.caller.pages<DeliveryPage, CallbackDelivery>('callbacks.deadLetters', { path: {}, options });
  }

  /** One delivery with its attempts */
  delivery(id: string, options?: CallOptions): Answer<CallbackDelivery> {
    return this.caller.call<CallbackDelivery>('callbacks.delivery', { path: { id }, options });
  }

  /** Try a dead letter again */
  redrive(id: string, options?: CallbacksRedriveOptions): Answer<RedrivenDelivery> {
    return this.caller.call<RedrivenDelivery>('callbacks.redrive', { path: { id }, options });
  }

  /** A new signing secret for the short form `callback_url` */
  rotateTenant(options?: CallbacksRotateTenantOptions): Answer<SigningSecret> {
    return this.caller.call<SigningSecret>('callbacks.rotateTenant', { path: {}, options });
  }

  /** One callback */
  get(id: string, options?: CallbacksGetOptions): Answer<Callback> {
    return this.caller.call<Callback>('callbacks.get', { path: { id }, options });
  }

  /** Delete a callback */
  delete(id: string, options?: CallbacksDeleteOptions): Answer<Callback> {
    return this.caller.call<Callback>('callbacks.delete', { path: { id }, options });
  }

  /** Enable a callback that a 410 disabled */
  enable(id: string, options?: CallbacksEnableOptions): Answer<Callback> {
    return this.caller.call<Callback>('callbacks.enable', { path: { id }, options });
  }

  /** A new signing secret for a callback */
  rotate(id: string, options?: CallbacksRotateOptions): Answer<SigningSecret> {
    return this.caller.call<SigningSecret>('callbacks.rotate', { path: { id }, options });
  }
}

export interface NotificationsListOptions extends CallOptions {
  /** Items on a page, 1 to 500. */
  limit?: number | undefined;
  /** `next_cursor` of the page before; leave out for the first page. */
  cursor?: string | undefined;
}

export interface NotificationsAcknowledgeOptions extends CallOptions {
  /** Your own key, 1 to 255 visible ASCII characters: the request takes effect once, and for 24 hours a repeat gets the first answer, with `repeated`. A different request with the same key is refused with 422 `idempotency_mismatch`. */
  idempotencyKey?: string | undefined;
}

export class NotificationsOperations {
  constructor(protected readonly caller: Caller) {}

  /** What waits in your inbox */
  list(options?: NotificationsListOptions): Pages<NotificationPage, InboxNotification> {
    return this.caller.pages<NotificationPage, InboxNotification>('notifications.list', { path: {}, options });
  }

  /** Acknowledge notifications */
  acknowledge(body: AckBody, options?: NotificationsAcknowledgeOptions): Answer<Acknowledged> {
    return this.caller.call<Acknowledged>('notifications.acknowledge', { path: {}, body, options });
  }
}

export interface SchedulesCreateOptions extends CallOptions {
  /** Your own key, 1 to 255 visible ASCII characters: the command takes effect once, and the answer to a repeat has `repeated`. A different request with the same key is refused with 422 `idempotency_mismatch`. */
  idempotencyKey?: string | undefined;
}

export interface SchedulesListOptions extends CallOptions {
  /** Only schedules with this status. */
  status?: 'active' | 'paused' | 'finished' | undefined;
  /** Only schedules of this config, by its id. */
  config_id?: string | undefined;
  /** Items on a page, 1 to 200. */
  limit?: number | undefined;
  /** `next_cursor` of the page before; leave out for the first page. */
  cursor?: string | undefined;
}

export interface SchedulesPreviewOfOptions extends CallOptions {
  /** How many times, 1 to 100. */
  count?: number | undefined;
}

export interface SchedulesGetOptions extends CallOptions {
  /** ETags that you have, or `*`: the answer is 304 without a body while one of them is current. */
  ifNoneMatch?: string | undefined;
}

export interface SchedulesUpdateOptions extends CallOptions {
  /** The ETag that you read, a list of them, or `*`. If the resource has changed since, the request is refused with 412 `version_conflict`. Weak tags (`W/`) match nothing (RFC 9110, 13.1.1). For example `"3-x7JqT0aZkQ1bS9-e"`. */
  ifMatch?: string | undefined;
  /** `*`: only when it does not exist yet; ETags: only when it has none of them. Else 412 `version_conflict`. */
  ifNoneMatch?: string | undefined;
}

export interface SchedulesDeleteOptions extends CallOptions {
  /** The ETag that you read, a list of them, or `*`. If the resource has changed since, the request is refused with 412 `version_conflict`. Weak tags (`W/`) match nothing (RFC 9110, 13.1.1). For example `"3-x7JqT0aZkQ1bS9-e"`. */
  ifMatch?: string | undefined;
  /** `*`: only when it does not exist yet; ETags: only when it has none of them. Else 412 `version_conflict`. */
  ifNoneMatch?: string | undefined;
}

export interface SchedulesPauseOptions extends CallOptions {
  /** Your own key, 1 to 255 visible ASCII characters: the command takes effect once, and the answer to a repeat has `repeated`. A different request with the same key is refused with 422 `idempotency_mismatch`. */
  idempotencyKey?: string | undefined;
}

export interface SchedulesResumeOptions extends CallOptions {
  /** Your own key, 1 to 255 visible ASCII characters: the command takes effect once, and the answer to a repeat has `repeated`. A different request with the same key is refused with 422 `idempotency_mismatch`. */
  idempotencyKey?: string | undefined;
}

export interface SchedulesTriggerOptions extends CallOptions {
  /** Your own key, 1 to 255 visible ASCII characters: the command takes effect once, and the answer to a repeat has `repeated`. A different request with the same key is refused with 422 `idempotency_mismatch`. */
  idempotencyKey?: string | undefined;
}

export interface SchedulesBackfillOptions extends CallOptions {
  /** Your own key, 1 to 255 visible ASCII characters: the command takes effect once, and the answer to a repeat has `repeated`. A different request with the same key is refused with 422 `idempotency_mismatch`. */
  idempotencyKey?: string | undefined;
}

export interface SchedulesPreviewOptions extends CallOptions {
  /** How many times, 1 to 100. */
  count?: number | undefined;
}

export interface SchedulesHistoryOptions extends CallOptions {
  /** Items on a page, 1 to 200. */
  limit?: number | undefined;
  /** `next_cursor` of the page before; leave out for the first page. */
  cursor?: string | undefined;
}

export class SchedulesOperations {
  constructor(protected readonly caller: Caller) {}

  /** Make a schedule */
  create(body: ScheduleBody, options?: SchedulesCreateOptions): Answer<Schedule> {
    return this.caller.call<Schedule>('schedules.create', { path: {}, body, options });
  }

  /** List schedules */
  list(options?: SchedulesListOptions): Pages<SchedulePage, Schedule> {
    return this.caller.pages<SchedulePage, Schedule>('schedules.list', { path: {}, options });
  }

  /** Show the next times of a timetable */
  previewOf(body: PreviewBody, options?: SchedulesPreviewOfOptions): Answer<SchedulePreview> {
    return this.caller.call<SchedulePreview>('schedules.previewOf', { path: {}, body, options });
  }

  /** One schedule */
  get(id: string, options?: SchedulesGetOptions): Answer<Schedule> {
    return this.caller.call<Schedule>('schedules.get', { path: { id }, options });
  }

  /** Replace a schedule */
  update(id: string, body: ScheduleBody, options?: SchedulesUpdateOptions): Answer<Schedule> {
    return this.caller.call<Schedule>('schedules.update', { path: { id }, body, options });
  }

  /** Delete a schedule */
  delete(id: string, options?: SchedulesDeleteOptions): Answer<Schedule> {
    return this.caller.call<Schedule>('schedules.delete', { path: { id }, options });
  }

  /** Pause a schedule */
  pause(id: string, body: ScheduleReason, options?: SchedulesPauseOptions): Answer<Schedule> {
    return this.caller.call<Schedule>('schedules.pause', { path: { id }, body, options });
  }

  /** Resume a schedule */
  resume(id: string, body: ScheduleReason, options?: SchedulesResumeOptions): Answer<Schedule> {
    return this.caller.call<Schedule>('schedules.resume', { path: { id }, body, options });
  }

  /** Start an execution now */
  trigger(id: string, body: TriggerBody, options?: SchedulesTriggerOptions): Answer<Schedule> {
    return this.caller.call<Schedule>('schedules.trigger', { path: { id }, body, options });
  }

  /** Start executions for times of the past */
  backfill(id: string, body: BackfillBody, options?: SchedulesBackfillOptions): Answer<Schedule> {
    return this.caller.call<Schedule>('schedules.backfill', { path: { id }, body, options });
  }

  /** Show the next times of a schedule */
  preview(id: string, options?: SchedulesPreviewOptions): Answer<SchedulePreview> {
    return this.caller.call<SchedulePreview>('schedules.preview', { path: { id }, options });
  }

  /** What a schedule has done */
  history(id: string, options?: SchedulesHistoryOptions): Pages<ScheduleHistory, ScheduleEvent> {
    return this.caller.pages<ScheduleHistory, ScheduleEvent>('schedules.history', { path: { id }, options });
  }
}

export interface TasksCreateOptions extends CallOptions {
  /** Your own key, 1 to 255 visible ASCII characters: a repeat starts nothing, and the answer is the first execution with `repeated`. A different request with the same key is refused with 422 `idempotency_mismatch`. */
  idempotencyKey?: string | undefined;
}

export interface TasksListOptions extends CallOptions {
  /** Items on a page, 1 to 50. */
  limit?: number | undefined;
  /** `next_cursor` of the page before; leave out for the first page. */
  cursor?: string | undefined;
}

export interface TasksRescheduleOptions extends CallOptions {
  /** Your own key, 1 to 255 visible ASCII characters: the command takes effect once, and the answer to a repeat has `repeated`. A different request with the same key is refused with 422 `idempotency_mismatch`. */
  idempotencyKey?: string | undefined;
}

export interface TasksCancelOptions extends CallOptions {
  /** Your own key, 1 to 255 visible ASCII characters: the command takes effect once, and the answer to a repeat has `repeated`. A different request with the same key is refused with 422 `idempotency_mismatch`. */
  idempotencyKey?: string | undefined;
}

export class TasksOperations {
  constructor(protected readonly caller: Caller) {}

  /** Schedule a task */
  create(body: TaskBody, options?: TasksCreateOptions): Answer<Task> {
    return this.caller.call<Task>('tasks.create', { path: {}, body, options });
  }

  /** List tasks, newest first */
  list(options?: TasksListOptions): Pages<TaskPage, Task> {
    return this.caller.pages<TaskPage, Task>('tasks.list', { path: {}, options });
  }

  /** Get a task with its result and its attempts */
  get(taskId: string, options?: CallOptions): Answer<Task> {
    return this.caller.call<Task>('tasks.get', { path: { task_id: taskId }, options });
  }

  /** Move the time of a task that has not begun */
  reschedule(taskId: string, body: RescheduleBody, options?: TasksRescheduleOptions): Answer<Task> {
    return this.caller.call<Task>('tasks.reschedule', { path: { task_id: taskId }, body, options });
  }

  /** Cancel a task */
  cancel(taskId: string, body?: ReasonBody, options?: TasksCancelOptions): Answer<Task> {
    return this.caller.call<Task>('tasks.cancel', { path: { task_id: taskId }, body, options });
  }
}

export interface WorkflowsCreateOptions extends CallOptions {
  /** Your own key, 1 to 255 visible ASCII characters: the request takes effect once, and for 24 hours a repeat gets the first answer, with `repeated`. A different request with the same key is refused with 422 `idempotency_mismatch`. */
  idempotencyKey?: string | undefined;
}

export interface WorkflowsListOptions extends CallOptions {
  /** Items on a page, 1 to 50. */
  limit?: number | undefined;
  /** `next_cursor` of the page before; leave out for the first page. */
  cursor?: string | undefined;
}

export interface WorkflowsUpdateOptions extends CallOptions {
  /** The ETag that you read, a list of them, or `*`. If the resource has changed since, the request is refused with 412 `version_conflict`. Weak tags (`W/`) match nothing (RFC 9110, 13.1.1). For example `"3-x7JqT0aZkQ1bS9-e"`. */
  ifMatch?: string | undefined;
  /** `*`: only when it does not exist yet; ETags: only when it has none of them. Else 412 `version_conflict`. */
  ifNoneMatch?: string | undefined;
}

export interface WorkflowsDeleteOptions extends CallOptions {
  /** The ETag that you read, a list of them, or `*`. If the resource has changed since, the request is refused with 412 `version_conflict`. Weak tags (`W/`) match nothing (RFC 9110, 13.1.1). For example `"3-x7JqT0aZkQ1bS9-e"`. */
  ifMatch?: string | undefined;
  /** `*`: only when it does not exist yet; ETags: only when it has none of them. Else 412 `version_conflict`. */
  ifNoneMatch?: string | undefined;
}

export interface WorkflowsStartOptions extends CallOptions {
  /** Your own key, 1 to 255 visible ASCII characters: a repeat starts nothing, and the answer is the first execution with `repeated`. A different request with the same key is refused with 422 `idempotency_mismatch`. */
  idempotencyKey?: string | undefined;
}

export interface WorkflowsPauseOptions extends CallOptions {
  /** Your own key, 1 to 255 visible ASCII characters: the command takes effect once, and the answer to a repeat has `repeated`. A different request with the same key is refused with 422 `idempotency_mismatch`. */
  idempotencyKey?: string | undefined;
}

export interface WorkflowsResumeOptions extends CallOptions {
  /** Your own key, 1 to 255 visible ASCII characters: the command takes effect once, and the answer to a repeat has `repeated`. A different request with the same key is refused with 422 `idempotency_mismatch`. */
  idempotencyKey?: string | undefined;
}

export interface WorkflowsRunsOptions extends CallOptions {
  /** Items on a page, 1 to 50. */
  limit?: number | undefined;
  /** `next_cursor` of the page before; leave out for the first page. */
  cursor?: string | undefined;
}

export class WorkflowsOperations {
  constructor(protected readonly caller: Caller) {}

  /** Make a workflow */
  create(body: WorkflowBody, options?: WorkflowsCreateOptions): Answer<Workflow> {
    return this.caller.call<Workflow>('workflows.create', { path: {}, body, options });
  }

  /** List workflows */
  list(options?: WorkflowsListOptions): Pages<WorkflowPage, Workflow> {
    return this.caller.pages<WorkflowPage, Workflow>('workflows.list', { path: {}, options });
  }

  /** Get a workflow by id or name */
  get(id: string, options?: CallOptions): Answer<Workflow> {
    return this.caller.call<Workflow>('workflows.get', { path: { id }, options });
  }

  /** Change a workflow */
  update(id: string, body: WorkflowBody, options?: WorkflowsUpdateOptions): Answer<Workflow> {
    return this.caller.call<Workflow>('workflows.update', { path: { id }, body, options });
  }

  /** Delete a workflow */
  delete(id: string, options?: WorkflowsDeleteOptions): Answer<Workflow> {
    return this.caller.call<Workflow>('workflows.delete', { path: { id }, options });
  }

  /** Start a run of a workflow */
  start(id: string, body?: RunBody, options?: WorkflowsStartOptions): Answer<WorkflowRun> {
    return this.caller.call<WorkflowRun>('workflows.start', { path: { id }, body, options });
  }

  /** Pause the newest run of a workflow */
  pause(id: string, body?: ReasonBody, options?: WorkflowsPauseOptions): Answer<WorkflowRun> {
    return this.caller.call<WorkflowRun>('workflows.pause', { path: { id }, body, options });
  }

  /** Resume the newest run of a workflow */
  resume(id: string, body?: ReasonBody, options?: WorkflowsResumeOptions): Answer<WorkflowRun> {
    return this.caller.call<WorkflowRun>('workflows.resume', { path: { id }, body, options });
  }

  /** List the runs of a workflow, newest first */
  runs(id: string, options?: WorkflowsRunsOptions): Pages<WorkflowRunPage, WorkflowRun> {
    return this.caller.pages<WorkflowRunPage, WorkflowRun>('workflows.runs', { path: { id }, options });
  }

  /** Get a run of a workflow with the result of each task */
  run(id: string, runId: string, options?: CallOptions): Answer<WorkflowRun> {
    return this.caller.call<WorkflowRun>('workflows.run', { path: { id, run_id: runId }, options });
  }
}

export interface ProcessesCreateOptions extends CallOptions {
  /** Your own key, 1 to 255 visible ASCII characters: the request takes effect once, and for 24 hours a repeat gets the first answer, with `repeated`. A different request with the same key is refused with 422 `idempotency_mismatch`. */
  idempotencyKey?: string | undefined;
}

export interface ProcessesListOptions extends CallOptions {
  /** Items on a page, 1 to 50. */
  limit?: number | undefined;
  /** `next_cursor` of the page before; leave out for the first page. */
  cursor?: string | undefined;
}

export interface ProcessesUpdateOptions extends CallOptions {
  /** The ETag that you read, a list of them, or `*`. If the resource has changed since, the request is refused with 412 `version_conflict`. Weak tags (`W/`) match nothing (RFC 9110, 13.1.1). For example `"3-x7JqT0aZkQ1bS9-e"`. */
  ifMatch?: string | undefined;
  /** `*`: only when it does not exist yet; ETags: only when it has none of them. Else 412 `version_conflict`. */
  ifNoneMatch?: string | undefined;
}

export interface ProcessesDeleteOptions extends CallOptions {
  /** The ETag that you read, a list of them, or `*`. If the resource has changed since, the request is refused with 412 `version_conflict`. Weak tags (`W/`) match nothing (RFC 9110, 13.1.1). For example `"3-x7JqT0aZkQ1bS9-e"`. */
  ifMatch?: string | undefined;
  /** `*`: only when it does not exist yet; ETags: only when it has none of them. Else 412 `version_conflict`. */
  ifNoneMatch?: string | undefined;
}

export interface ProcessesStartOptions extends CallOptions {
  /** Your own key, 1 to 255 visible ASCII characters: a repeat starts nothing, and the answer is the first execution with `repeated`. A different request with the same key is refused with 422 `idempotency_mismatch`. */
  idempotencyKey?: string | undefined;
}

export interface ProcessesRetryOptions extends CallOptions {
  /** Your own key, 1 to 255 visible ASCII characters: the command takes effect once, and the answer to a repeat has `repeated`. A different request with the same key is refused with 422 `idempotency_mismatch`. */
  idempotencyKey?: string | undefined;
}

export interface ProcessesCancelOptions extends CallOptions {
  /** Your own key, 1 to 255 visible ASCII characters: the command takes effect once, and the answer to a repeat has `repeated`. A different request with the same key is refused with 422 `idempotency_mismatch`. */
  idempotencyKey?: string | undefined;
}

export interface ProcessesRunsOptions extends CallOptions {
  /** Items on a page, 1 to 50. */
  limit?: number | undefined;
  /** `next_cursor` of the page before; leave out for the first page. */
  cursor?: string | undefined;
}

export class ProcessesOperations {
  constructor(protected readonly caller: Caller) {}

  /** Make a process */
  create(body: ProcessBody, options?: ProcessesCreateOptions): Answer<Process> {
    return this.caller.call<Process>('processes.create', { path: {}, body, options });
  }

  /** List processes */
  list(options?: ProcessesListOptions): Pages<ProcessPage, Process> {
    return this.caller.pages<ProcessPage, Process>('processes.list', { path: {}, options });
  }

  /** Get a process by its id */
  get(id: string, options?: CallOptions): Answer<Process> {
    return this.caller.call<Process>('processes.get', { path: { id }, options });
  }

  /** Change a process */
  update(id: string, body: ProcessBody, options?: ProcessesUpdateOptions): Answer<Process> {
    return this.caller.call<Process>('processes.update', { path: { id }, body, options });
  }

  /** Delete a process */
  delete(id: string, options?: ProcessesDeleteOptions): Answer<Process> {
    return this.caller.call<Process>('processes.delete', { path: { id }, options });
  }

  /** Start a run of a process */
  start(id: string, body?: RunBody, options?: ProcessesStartOptions): Answer<ProcessRun> {
    return this.caller.call<ProcessRun>('processes.start', { path: { id }, body, options });
  }

  /** Run the newest run of a process again from the step that failed */
  retry(id: string, body?: ReasonBody, options?: ProcessesRetryOptions): Answer<ProcessRun> {
    return this.caller.call<ProcessRun>('processes.retry', { path: { id }, body, options });
  }

  /** Cancel the newest run of a process */
  cancel(id: string, body?: ReasonBody, options?: ProcessesCancelOptions): Answer<ProcessRun> {
    return this.caller.call<ProcessRun>('processes.cancel', { path: { id }, body, options });
  }

  /** List the runs of a process, newest first */
  runs(id: string, options?: ProcessesRunsOptions): Pages<ProcessRunPage, ProcessRun> {
    return this.caller.pages<ProcessRunPage, ProcessRun>('processes.runs', { path: { id }, options });
  }

  /** Get a run of a process with the result of each step */
  run(id: string, runId: string, options?: CallOptions): Answer<ProcessRun> {
    return this.caller.call<ProcessRun>('processes.run', { path: { id, run_id: runId }, options });
  }
}

export interface AuditListOptions extends CallOptions {
  /** Whose log; default: your own. Other tenants are for admins of the tenant `default`. */
  tenant_id?: string | undefined;
  /** Only what this user asked for. */
  user_id?: string | undefined;
  /** Only what was asked for with this API key. */
  key_id?: string | undefined;
  /** Only this operation, by its name. */
  action?: string | undefined;
  /** Only what was about this resource: a path below /api/v1/. */
  resource?: string | undefined;
  /** Only uses of secrets by this execution. */
  execution_id?: string | undefined;
  /** Only what came to this. */
  outcome?: 'succeeded' | 'refused' | 'failed' | undefined;
  /** Only from this time on. */
  from?: string | undefined;
  /** Only before this time. */
  before?: string | undefined;
  /** Items on a page, 1 to 500. */
  limit?: number | undefined;
  /** `next_cursor` of the page before; leave out for the first page. */
  cursor?: string | undefined;
}

export interface AuditExportOptions extends CallOptions {
  /** Whose log; default: your own. Other tenants are for admins of the tenant `default`. */
  tenant_id?: string | undefined;
  /** Only what this user asked for. */
  user_id?: string | undefined;
  /** Only what was asked for with this API key. */
  key_id?: string | undefined;
  /** Only this operation, by its name. */
  action?: string | undefined;
  /** Only what was about this resource: a path below /api/v1/. */
  resource?: string | undefined;
  /** Only uses of secrets by this execution. */
  execution_id?: string | undefined;
  /** Only what came to this. */
  outcome?: 'succeeded' | 'refused' | 'failed' | undefined;
  /** Only from this time on. */
  from?: string | undefined;
  /** Only before this time. */
  before?: string | undefined;
}

export class AuditOperations {
  constructor(protected readonly caller: Caller) {}

  /** List entries of the audit log, newest first */
  list(options?: AuditListOptions): Pages<AuditPage, AuditEntry> {
    return this.caller.pages<AuditPage, AuditEntry>('audit.list', { path: {}, options });
  }

  /** Export the audit log */
  export(options?: AuditExportOptions): Answer<string> {
    return this.caller.call<string>('audit.export', { path: {}, options });
  }
}

/** The methods of every namespace. */
export const NAMESPACES = [
  'operations',
  'configs',
  'executions',
  'agents',
  'pools',
  'pauses',
  'knowledge',
  'secrets',
  'models',
  'mcpServers',
  'retentionPolicies',
  'apiKeys',
  'tenants',
  'callbacks',
  'notifications',
  'schedules',
  'tasks',
  'workflows',
  'processes',
  'audit',
] as const;
