import { Caller } from './caller.js';
import type { RawRequest, RetryOptions } from './caller.js';
import { Executions } from './executions.js';
import type { WebSocketConstructor } from './follow.js';
import * as operations from './generated/operations.js';

export interface ClientOptions {
  /** The URL of the gateway, such as `http://localhost:8080`. */
  readonly url: string;
  /** Sent with every request. */
  readonly apiKey?: string | undefined;
  /** Default: the global `fetch`. */
  readonly fetch?: typeof fetch | undefined;
  /**
   * Default: the global one, which Node.js has from version 22 on. For older versions, pass the one of the package
   * `ws`.
   */
  readonly WebSocket?: WebSocketConstructor | undefined;
  /**
   * Milliseconds without an answer after which an attempt is given up. Default 90,000, because a request may wait a
   * minute for its answer.
   */
  readonly timeoutMs?: number | undefined;
  /**
   * When reads, and POSTs with an Idempotency-Key, are sent again. Default: 4 attempts with pauses from 250 ms to 10 s.
   */
  readonly retry?: Partial<RetryOptions> | undefined;
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** The API of a Batuta platform, with one namespace per resource. */
export class BatutaClient {
  readonly operations: operations.OperationsOperations;
  readonly configs: operations.ConfigsOperations;
  readonly executions: Executions;
  readonly schedules: operations.SchedulesOperations;
  readonly tasks: operations.TasksOperations;
  readonly workflows: operations.WorkflowsOperations;
  readonly processes: operations.ProcessesOperations;
  readonly agents: operations.AgentsOperations;
  readonly pools: operations.PoolsOperations;
  readonly pauses: operations.PausesOperations;
  readonly models: operations.ModelsOperations;
  readonly mcpServers: operations.McpServersOperations;
  readonly secrets: operations.SecretsOperations;
  readonly retentionPolicies: operations.RetentionPoliciesOperations;
  readonly tenants: operations.TenantsOperations;
  readonly audit: operations.AuditOperations;
  readonly knowledge: operations.KnowledgeOperations;
  readonly apiKeys: operations.ApiKeysOperations;
  readonly callbacks: operations.CallbacksOperations;
  readonly notifications: operations.NotificationsOperations;
  readonly url: string;
  readonly #caller: Caller;

  constructor(options: ClientOptions) {
    this.url = options.url.replace(/\/+$/, '');
    const caller = new Caller({
      url: this.url,
      apiKey: options.apiKey,
      // A browser's fetch must be called as a method of its window.
      fetch: options.fetch ?? ((input, init) => globalThis.fetch(input, init)),
      timeoutMs: options.timeoutMs ?? 90_000,
      retry: { attempts: 4, backoffMs: 250, maxBackoffMs: 10_000, ...options.retry },
      headers: options.headers ?? {},
    });
    this.#caller = caller;
    this.operations = new operations.OperationsOperations(caller);
    this.configs = new operations.ConfigsOperations(caller);
    this.executions = new Executions(caller, () => webSocketOf(options.WebSocket));
    this.schedules = new operations.SchedulesOperations(caller);
    this.tasks = new operations.TasksOperations(caller);
    this.workflows = new operations.WorkflowsOperations(caller);
    this.processes = new operations.ProcessesOperations(caller);
    this.agents = new operations.AgentsOperations(caller);
    this.pools = new operations.PoolsOperations(caller);
    this.pauses = new operations.PausesOperations(caller);
    this.models = new operations.ModelsOperations(caller);
    this.mcpServers = new operations.McpServersOperations(caller);
    this.secrets = new operations.SecretsOperations(caller);
    this.retentionPolicies = new operations.RetentionPoliciesOperations(caller);
    this.tenants = new operations.TenantsOperations(caller);
    this.audit = new operations.AuditOperations(caller);
    this.knowledge = new operations.KnowledgeOperations(caller);
    this.apiKeys = new operations.ApiKeysOperations(caller);
    this.callbacks = new operations.CallbacksOperations(caller);
    this.notifications = new operations.NotificationsOperations(caller);
  }

  /**
   * Sends a custom request once, with the key, and returns the answer whatever its status.
   * @throws ConnectionError when there is no answer.
   */
  send(request: RawRequest): Promise<Response> {
    return this.#caller.send(request);
  }
}

function webSocketOf(given: WebSocketConstructor | undefined): WebSocketConstructor {
  const found = given ?? (globalThis as { WebSocket?: WebSocketConstructor }).WebSocket;
  if (found === undefined) {
    throw new TypeError('there is no global WebSocket; pass the one of the package ws to the client');
  }
  return found;
}
