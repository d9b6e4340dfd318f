import type {
  AgentJson,
  AgentReplyJson,
  ApiKeyJson,
  ApiKeyReplyJson,
  AuthenticateReplyJson,
  AuthenticateRequestJson,
  ConfigChangedJson,
  ConfigJson,
  ConfigReplyJson,
  CreateApiKeyReplyJson,
  CreateApiKeyRequestJson,
  CreateConfigRequestJson,
  DeleteAgentRequestJson,
  DeleteConfigRequestJson,
  GetAgentRequestJson,
  GetApiKeyRequestJson,
  GetConfigRequestJson,
  GetVersionReplyJson,
  GetVersionRequestJson,
  ListAgentsReplyJson,
  ListAgentsRequestJson,
  ListApiKeysReplyJson,
  ListApiKeysRequestJson,
  ListConfigsReplyJson,
  ListConfigsRequestJson,
  ListVersionsReplyJson,
  ListVersionsRequestJson,
  PutAgentRequestJson,
  ResolveConfigReplyJson,
  ResolveConfigRequestJson,
  RestoreConfigRequestJson,
  CreatePoolCredentialsReplyJson,
  CreatePoolCredentialsRequestJson,
  GetPoolCredentialsRequestJson,
  ListPoolCredentialsReplyJson,
  ListPoolCredentialsRequestJson,
  PoolCredentialsJson,
  PoolCredentialsReplyJson,
  RevokePoolCredentialsRequestJson,
  GetTenantLimitsRequestJson,
  GetTenantSettingsRequestJson,
  ListTenantsReplyJson,
  ListTenantsRequestJson,
  PutTenantLimitsRequestJson,
  PutTenantSettingsRequestJson,
  TenantJson,
  TenantLimitsJson,
  TenantLimitsReplyJson,
  TenantSettingsJson,
  TenantSettingsReplyJson,
  TenantTermsReplyJson,
  DeleteSecretRequestJson,
  GetSecretRequestJson,
  KnownSecretsReplyJson,
  KnownSecretsRequestJson,
  ConsentMcpToolsRequestJson,
  DeleteMcpServerRequestJson,
  DeleteModelRequestJson,
  GetMcpServerRequestJson,
  ListMcpServersReplyJson,
  ListMcpServersRequestJson,
  ListMcpToolsReplyJson,
  ListMcpToolsRequestJson,
  McpServerJson,
  McpServerReplyJson,
  McpToolJson,
  PinMcpToolsRequestJson,
  PutMcpServerRequestJson,
  GetModelRequestJson,
  ListModelsReplyJson,
  ListModelsRequestJson,
  ModelJson,
  ModelPricesJson,
  ModelReplyJson,
  PutModelRequestJson,
  ListSecretsReplyJson,
  ListSecretsRequestJson,
  PutSecretRequestJson,
  ResolveSecretsReplyJson,
  ResolveSecretsRequestJson,
  SecretInfoJson,
  SecretReplyJson,
  RevokeApiKeyRequestJson,
  UpdateConfigRequestJson,
} from './generated/batuta/config/v1/service_pb.js';
import type {
  ApprovalJson,
  OrchestrationJson,
  ChoiceBranchJson,
  ChoiceJson,
  BudgetJson,
  ConcurrencyJson,
  CompensationJson,
  ConsensusGroupJson,
  ItemStepJson,
  MapJson,
  OrchestrationDefinitionJson,
  RepeatJson,
  RouteCandidateJson,
  RouteJson,
  RetryJson,
  SettingsJson,
  SignalJson,
  StepJson,
  WaitJson,
  LlmJson,
  LlmToolJson,
  ToolApprovalJson,
} from './generated/batuta/config/v1/definition_pb.js';
import type {
  DeleteDocumentRequestJson,
  DocumentReplyJson,
  GetDocumentRequestJson,
  KnowledgeDocumentJson,
  ListDocumentsReplyJson,
  ListDocumentsRequestJson,
  PassageJson,
  PutDocumentRequestJson,
  SearchKnowledgeReplyJson,
  SearchKnowledgeRequestJson,
} from './generated/batuta/config/v1/knowledge_pb.js';
import type { Idempotency, Preconditions, Principal, Refusal } from './common.js';
import type { DefaultInput, HandOver, MapResults, OnLimit, OnParentClose, Role, RouteMode, Strategy } from './codes.js';
import type { Pause } from './pauses.js';
import type { Priority } from './subjects.js';
import type { Override, Wire } from './wire.js';

export type Retry = Wire<RetryJson, keyof RetryJson>;
export type Compensation = Override<Wire<CompensationJson, 'input' | 'retry' | 'timeout_ms'>, { retry?: Retry }>;
/** Instead of an agent: a human decides. `message` is a text or one expression; `timeout_ms` counts from the request. */
export type Approval = Override<Wire<ApprovalJson, keyof ApprovalJson>, { on_timeout?: 'reject' | 'approve' }>;
/** Instead of an agent: time passes. Exactly one of `duration_ms` and `until`. */
export type Wait = Wire<WaitJson, keyof WaitJson>;
/** Instead of an agent: the step waits for a signal. `timeout_ms` counts from the step's start. */
export type Signal = Override<
  Wire<SignalJson, Exclude<keyof SignalJson, 'name'>>,
  { on_timeout?: 'fail' | 'continue' }
>;
export type ChoiceBranch = Wire<ChoiceBranchJson>;
/** Instead of an agent: chooses which of the steps that depend on it run. */
export type Choice = Override<
  Wire<ChoiceJson, Exclude<keyof ChoiceJson, 'branches'>>,
  { mode?: 'first' | 'all'; branches: ChoiceBranch[] }
>;
/** Instead of an agent: an execution of another config. */
export type Orchestration = Override<
  Wire<OrchestrationJson, 'config_version' | 'on_parent_close'>,
  { on_parent_close?: OnParentClose }
>;
/** One of those among which a route chooses: an agent or a config. */
export type RouteCandidate = Override<
  Wire<RouteCandidateJson, Exclude<keyof RouteCandidateJson, 'name'>>,
  { retry?: Retry }
>;
/** Instead of an agent: one of the candidates is chosen and runs. */
export type Route = Override<
  Wire<RouteJson, Exclude<keyof RouteJson, 'candidates'>>,
  { mode?: RouteMode; candidates: RouteCandidate[] }
>;
/** A step runs again until an expression is true. */
export type Repeat = Override<Wire<RepeatJson, Exclude<keyof RepeatJson, 'until'>>, { on_max?: 'fail' | 'complete' }>;
/** What is done with each item of a list. */
export type ItemStep = Override<
  Wire<ItemStepJson, keyof ItemStepJson>,
  { orchestration?: Orchestration; llm?: Llm; map?: MapDefinition; retry?: Retry }
>;
/** Instead of an agent: each item of a list is worked on by itself. `tolerated_failures` is a number or a share such as "5%". */
export type MapDefinition = Override<
  Wire<MapJson, Exclude<keyof MapJson, 'items' | 'step'>>,
  {
    step: ItemStep;
    tolerated_failures?: number | string;
    results?: MapResults;
    on_parent_close?: OnParentClose;
  }
>;
export type ConsensusMode = 'quorum' | 'majority' | 'weighted' | 'unanimous' | 'best' | 'judge';
export type FailurePolicy = 'abort' | 'continue' | 'fallback';
export type ConsensusGroup = Override<
  Wire<ConsensusGroupJson, Exclude<keyof ConsensusGroupJson, 'id'>>,
  {
    mode?: ConsensusMode;
    on_tie?: 'fail' | 'first' | 'judge';
    on_failure?: FailurePolicy;
    weights?: Record<string, number>;
  }
>;
export type StepDefinition = Override<
  Wire<StepJson, Exclude<keyof StepJson, 'id' | 'name'>>,
  {
    retry?: Retry;
    approval?: Approval;
    wait?: Wait;
    signal?: Signal;
    choice?: Choice;
    orchestration?: Orchestration;
    map?: MapDefinition;
    on_failure?: FailurePolicy;
    fallback_when?: ('error' | 'timeout' | 'no_consensus')[];
    require?: 'any' | 'all';
    compensate?: Compensation;
    llm?: Llm;
    repeat?: Repeat;
    route?: Route;
  }
>;
/** A human decides about calls of a tool. `when` is JSONata, which also sees `call`; without it every call is asked about. */
export type ToolApproval = Override<
  Wire<ToolApprovalJson, keyof ToolApprovalJson>,
  { on_timeout?: 'reject' | 'approve' }
>;
export type LlmTool = Override<
  Wire<LlmToolJson, Exclude<keyof LlmToolJson, 'name'>>,
  { retry?: Retry; approval?: ToolApproval; hand_over?: HandOver }
>;
export type Llm = Override<
  Wire<LlmJson, Exclude<keyof LlmJson, 'model'>>,
  { tools?: LlmTool[]; on_max_turns?: 'fail' | 'answer' }
>;
export type Concurrency = Override<Wire<ConcurrencyJson, 'key' | 'on_limit'>, { on_limit?: OnLimit }>;
export type BudgetDefinition = Wire<BudgetJson, keyof BudgetJson>;
export type OrchestrationSettings = Override<
  Wire<SettingsJson, keyof SettingsJson>,
  {
    priority?: Priority;
    budget?: BudgetDefinition;
    default_input?: DefaultInput;
    on_failure?: FailurePolicy;
    concurrency?: Concurrency;
  }
>;
/** The user's document after validation. Absent fields have their defaults. */
export type OrchestrationDefinition = Override<
  Wire<OrchestrationDefinitionJson, Exclude<keyof OrchestrationDefinitionJson, 'name' | 'strategy' | 'steps'>>,
  {
    strategy: Strategy;
    steps: StepDefinition[];
    settings?: OrchestrationSettings;
    consensus_groups?: ConsensusGroup[];
  }
>;

export type Config = Override<Wire<ConfigJson, 'deletedAt'>, { definition: OrchestrationDefinition }>;
export type ConfigReply = Override<
  Wire<ConfigReplyJson, keyof ConfigReplyJson>,
  { config?: Config; refused?: Refusal }
>;
export type CreateConfigRequest = Override<
  Wire<CreateConfigRequestJson, 'idempotency' | 'keptFor'>,
  { principal: Principal; idempotency?: Idempotency | undefined }
>;
export type GetConfigRequest = Override<
  Wire<GetConfigRequestJson, 'version' | 'includeDeleted'>,
  { principal: Principal }
>;
export type ListConfigsRequest = Override<
  Wire<ListConfigsRequestJson, Exclude<keyof ListConfigsRequestJson, 'principal'>>,
  { principal: Principal }
>;
export type ListConfigsReply = Override<
  Wire<ListConfigsReplyJson, 'nextCursor' | 'total' | 'refused'>,
  { configs: Config[]; refused?: Refusal }
>;
export type UpdateConfigRequest = Override<
  Wire<UpdateConfigRequestJson, 'merge' | 'preconditions' | 'keptFor'>,
  { principal: Principal; preconditions?: Preconditions | undefined }
>;
export type DeleteConfigRequest = Override<
  Wire<DeleteConfigRequestJson, 'preconditions' | 'keptFor'>,
  { principal: Principal; preconditions?: Preconditions | undefined }
>;
export type RestoreConfigRequest = Override<
  Wire<RestoreConfigRequestJson, 'preconditions' | 'idempotency'>,
  { principal: Principal; preconditions?: Preconditions | undefined; idempotency?: Idempotency | undefined }
>;
export type ListVersionsRequest = Override<
  Wire<ListVersionsRequestJson, 'limit' | 'beforeVersion' | 'includeDeleted'>,
  { principal: Principal }
>;
export type ListVersionsReply = Override<
  Wire<ListVersionsReplyJson, 'refused'>,
  { versions: Config[]; refused?: Refusal }
>;
export type ResolveConfigRequest = Wire<ResolveConfigRequestJson, 'version' | 'includeDeleted'>;
export type ResolveConfigReply = Override<
  Wire<ResolveConfigReplyJson, keyof ResolveConfigReplyJson>,
  { refused?: Refusal }
>;
export type GetVersionRequest = Wire<GetVersionRequestJson>;
export type GetVersionReply = Override<
  Wire<GetVersionReplyJson, keyof GetVersionReplyJson>,
  { definition?: OrchestrationDefinition; refused?: Refusal }
>;

export type Agent = Override<
  Wire<AgentJson, 'inputSchema' | 'outputSchema' | 'configId' | 'paused'>,
  { llm?: AgentLlm; paused?: Pause }
>;
/** What an agent that is made of a model does; without `prompt` and `messages` it is asked its input. */
export type AgentLlm = Llm;
export type PutAgentRequest = Override<
  Wire<PutAgentRequestJson, 'merge' | 'preconditions'>,
  { principal: Principal; preconditions?: Preconditions | undefined }
>;
export type GetAgentRequest = Wire<GetAgentRequestJson>;
export type DeleteAgentRequest = Override<
  Wire<DeleteAgentRequestJson, 'preconditions'>,
  { principal: Principal; preconditions?: Preconditions | undefined }
>;
export type AgentReply = Override<Wire<AgentReplyJson, keyof AgentReplyJson>, { agent?: Agent; refused?: Refusal }>;
export type ListAgentsRequest = Wire<ListAgentsRequestJson>;
export type ListAgentsReply = Override<Wire<ListAgentsReplyJson>, { agents: Agent[] }>;
export type ConfigChanged = Override<Wire<ConfigChangedJson>, { kind: 'config' | 'agent' | 'key' | 'tenant' }>;

export type AuthenticateRequest = Wire<AuthenticateRequestJson>;
export type AuthenticateReply = Override<
  Wire<AuthenticateReplyJson, keyof AuthenticateReplyJson>,
  { principal?: Principal }
>;
export type ApiKey = Override<Wire<ApiKeyJson, 'expiresAt' | 'revokedAt'>, { role: Role }>;
export type CreateApiKeyRequest = Override<
  Wire<CreateApiKeyRequestJson, 'name' | 'expiresAt' | 'tenantId' | 'idempotency'>,
  { principal: Principal; idempotency?: Idempotency | undefined }
>;
export type CreateApiKeyReply = Override<
  Wire<CreateApiKeyReplyJson, keyof CreateApiKeyReplyJson>,
  { key?: ApiKey; refused?: Refusal }
>;
export type ListApiKeysRequest = Override<Wire<ListApiKeysRequestJson, 'limit' | 'cursor'>, { principal: Principal }>;
export type ListApiKeysReply = Override<
  Wire<ListApiKeysReplyJson, 'refused' | 'nextCursor'>,
  { keys: ApiKey[]; refused?: Refusal }
>;
export type GetApiKeyRequest = Override<Wire<GetApiKeyRequestJson>, { principal: Principal }>;
export type RevokeApiKeyRequest = Override<
  Wire<RevokeApiKeyRequestJson, 'preconditions'>,
  { principal: Principal; preconditions?: Preconditions | undefined }
>;
export type ApiKeyReply = Override<Wire<ApiKeyReplyJson, keyof ApiKeyReplyJson>, { key?: ApiKey; refused?: Refusal }>;

export type PoolCredentials = Wire<PoolCredentialsJson, 'revokedAt'>;
export type CreatePoolCredentialsRequest = Override<
  Wire<CreatePoolCredentialsRequestJson, 'name' | 'expiresAt'>,
  { principal: Principal }
>;
export type CreatePoolCredentialsReply = Override<
  Wire<CreatePoolCredentialsReplyJson, keyof CreatePoolCredentialsReplyJson>,
  { credentials?: PoolCredentials; refused?: Refusal }
>;
export type ListPoolCredentialsRequest = Override<
  Wire<ListPoolCredentialsRequestJson, 'limit' | 'cursor'>,
  { principal: Principal }
>;
export type ListPoolCredentialsReply = Override<
  Wire<ListPoolCredentialsReplyJson, 'refused' | 'nextCursor'>,
  { credentials: PoolCredentials[]; refused?: Refusal }
>;
export type GetPoolCredentialsRequest = Override<Wire<GetPoolCredentialsRequestJson>, { principal: Principal }>;
export type RevokePoolCredentialsRequest = Override<
  Wire<RevokePoolCredentialsRequestJson, 'preconditions'>,
  { principal: Principal; preconditions?: Preconditions | undefined }
>;
export type PoolCredentialsReply = Override<
  Wire<PoolCredentialsReplyJson, keyof PoolCredentialsReplyJson>,
  { credentials?: PoolCredentials; refused?: Refusal }
>;

export const MODEL_PROVIDERS = ['openai', 'anthropic', 'openai_compatible'] as const;
export type ModelProvider = (typeof MODEL_PROVIDERS)[number];
export type ModelPrices = Wire<ModelPricesJson>;
export type Model = Override<
  Wire<ModelJson, 'baseUrl' | 'apiKey' | 'maxOutputTokens' | 'temperature' | 'contextTokens' | 'prices' | 'stream'>,
  { provider: ModelProvider; prices?: ModelPrices }
>;
export type PutModelRequest = Override<
  Wire<PutModelRequestJson, 'preconditions'>,
  { principal: Principal; preconditions?: Preconditions | undefined }
>;
export type GetModelRequest = Wire<GetModelRequestJson>;
export type DeleteModelRequest = Override<
  Wire<DeleteModelRequestJson, 'preconditions'>,
  { principal: Principal; preconditions?: Preconditions | undefined }
>;
export type ModelReply = Override<Wire<ModelReplyJson, keyof ModelReplyJson>, { model?: Model; refused?: Refusal }>;
export type ListModelsRequest = Wire<ListModelsRequestJson>;
export type ListModelsReply = Override<Wire<ListModelsReplyJson>, { models: Model[] }>;

export const MCP_TOOL_STATES = ['new', 'consented', 'changed', 'gone'] as const;
export type McpToolState = (typeof MCP_TOOL_STATES)[number];
export type McpTool = Override<
  Wire<McpToolJson, 'title' | 'outputSchema' | 'annotations' | 'state'>,
  { state?: McpToolState }
>;
export type McpServer = Override<Wire<McpServerJson, 'headers'>, { tools: McpTool[] }>;
export type PutMcpServerRequest = Override<
  Wire<PutMcpServerRequestJson, 'preconditions'>,
  { principal: Principal; preconditions?: Preconditions | undefined }
>;
export type GetMcpServerRequest = Wire<GetMcpServerRequestJson>;
export type DeleteMcpServerRequest = Override<
  Wire<DeleteMcpServerRequestJson, 'preconditions'>,
  { principal: Principal; preconditions?: Preconditions | undefined }
>;
export type McpServerReply = Override<
  Wire<McpServerReplyJson, keyof McpServerReplyJson>,
  { server?: McpServer; refused?: Refusal }
>;
export type ListMcpServersRequest = Wire<ListMcpServersRequestJson>;
export type ListMcpServersReply = Override<Wire<ListMcpServersReplyJson>, { servers: McpServer[] }>;
export type PinMcpToolsRequest = Override<Wire<PinMcpToolsRequestJson>, { tools: McpTool[] }>;
export type ListMcpToolsRequest = Wire<ListMcpToolsRequestJson>;
export type ListMcpToolsReply = Override<
  Wire<ListMcpToolsReplyJson, 'refused'>,
  { tools: McpTool[]; refused?: Refusal }
>;
export type ConsentMcpToolsRequest = Override<Wire<ConsentMcpToolsRequestJson>, { principal: Principal }>;

export type SecretInfo = Wire<SecretInfoJson, 'lastUsedAt'>;
export type PutSecretRequest = Override<
  Wire<PutSecretRequestJson, 'preconditions'>,
  { principal: Principal; preconditions?: Preconditions | undefined }
>;
export type GetSecretRequest = Override<Wire<GetSecretRequestJson>, { principal: Principal }>;
export type DeleteSecretRequest = Override<
  Wire<DeleteSecretRequestJson, 'preconditions'>,
  { principal: Principal; preconditions?: Preconditions | undefined }
>;
export type SecretReply = Override<
  Wire<SecretReplyJson, keyof SecretReplyJson>,
  { secret?: SecretInfo; refused?: Refusal }
>;
export type ListSecretsRequest = Override<Wire<ListSecretsRequestJson, 'limit' | 'cursor'>, { principal: Principal }>;
export type ListSecretsReply = Override<
  Wire<ListSecretsReplyJson, 'refused' | 'nextCursor'>,
  { secrets: SecretInfo[]; refused?: Refusal }
>;
export type ResolveSecretsRequest = Wire<ResolveSecretsRequestJson, 'executionId' | 'stepId' | 'callbackId' | 'agent'>;
export type ResolveSecretsReply = Override<
  Wire<ResolveSecretsReplyJson, keyof ResolveSecretsReplyJson>,
  { values?: Record<string, string>; refused?: Refusal }
>;
export type KnownSecretsRequest = Wire<KnownSecretsRequestJson>;
export type KnownSecretsReply = Wire<KnownSecretsReplyJson, keyof KnownSecretsReplyJson>;

export type KnowledgeDocument = Wire<KnowledgeDocumentJson, 'metadata'>;
export type PutDocumentRequest = Override<
  Wire<PutDocumentRequestJson, 'title' | 'contentType' | 'metadata' | 'preconditions' | 'idempotency'>,
  { principal: Principal; preconditions?: Preconditions | undefined; idempotency?: Idempotency | undefined }
>;
export type DocumentReply = Override<
  Wire<DocumentReplyJson, keyof DocumentReplyJson>,
  { document?: KnowledgeDocument; refused?: Refusal }
>;
export type ListDocumentsRequest = Override<
  Wire<ListDocumentsRequestJson, 'limit' | 'cursor'>,
  { principal: Principal }
>;
export type ListDocumentsReply = Override<
  Wire<ListDocumentsReplyJson, 'nextCursor' | 'refused'>,
  { documents: KnowledgeDocument[]; refused?: Refusal }
>;
export type GetDocumentRequest = Override<Wire<GetDocumentRequestJson>, { principal: Principal }>;
export type DeleteDocumentRequest = Override<
  Wire<DeleteDocumentRequestJson, 'preconditions'>,
  { principal: Principal; preconditions?: Preconditions | undefined }
>;
export type SearchKnowledgeRequest = Wire<SearchKnowledgeRequestJson, 'limit'>;
export type Passage = Wire<PassageJson>;
export type SearchKnowledgeReply = Override<
  Wire<SearchKnowledgeReplyJson, 'refused'>,
  { passages: Passage[]; refused?: Refusal }
>;

export type Tenant = Wire<TenantJson>;
export type TenantLimits = Wire<TenantLimitsJson, keyof TenantLimitsJson>;
export type ListTenantsRequest = Override<Wire<ListTenantsRequestJson, 'limit' | 'cursor'>, { principal: Principal }>;
export type ListTenantsReply = Override<
  Wire<ListTenantsReplyJson, 'refused' | 'nextCursor'>,
  { tenants: Tenant[]; refused?: Refusal }
>;
export type GetTenantLimitsRequest = Override<Wire<GetTenantLimitsRequestJson>, { principal: Principal }>;
export type PutTenantLimitsRequest = Override<
  Wire<PutTenantLimitsRequestJson, 'preconditions'>,
  { principal: Principal; preconditions?: Preconditions | undefined }
>;
export type TenantLimitsReply = Override<
  Wire<TenantLimitsReplyJson, keyof TenantLimitsReplyJson>,
  { own?: TenantLimits; limits?: TenantLimits; refused?: Refusal }
>;
export type TenantSettings = Wire<TenantSettingsJson>;
export type GetTenantSettingsRequest = Override<Wire<GetTenantSettingsRequestJson>, { principal: Principal }>;
export type PutTenantSettingsRequest = Override<
  Wire<PutTenantSettingsRequestJson, 'preconditions'>,
  { principal: Principal; preconditions?: Preconditions | undefined }
>;
export type TenantSettingsReply = Override<
  Wire<TenantSettingsReplyJson, keyof TenantSettingsReplyJson>,
  { settings?: TenantSettings; refused?: Refusal }
>;
export type TenantTermsReply = Override<
  Wire<TenantTermsReplyJson>,
  { defaults: TenantLimits; tenants: Record<string, TenantLimits> }
>;
