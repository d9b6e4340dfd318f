import { Caller } from './caller.js';
import type { RawRequest, RetryOptions } from './caller.js';
import { Executions } from './executions.js';
import type { WebSocketConstructor } from './follow.js';
import * as operations from './generated/operations.js';

export interface ClientOptions {
  /** Where the gateway is, such as `http://localhost:8080`. */
  readonly url: string;
  /** Sent with every request. */
  readonly apiKey?: string | undefined;
  /** Default: the global one. */
  readonly fetch?: typeof fetch | undefined;
  /** Default: the global one, which Node.js has from version 22 on; before, give that of the package `ws`. */
  readonly WebSocket?: WebSocketConstructor | undefined;
  /** Milliseconds after which an attempt without an answer is given up. Default 90,000: an answer may be waited for for a minute. */
  readonly timeoutMs?: number | undefined;
  /** When reads, and POSTs under their Idempotency-Key, are sent again. Default: 4 attempts, from 250 ms up to 10 s between them. */
  readonly retry?: Partial<RetryOptions> | undefined;
  /** Sent with every request. */
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** The API of a Batuta platform, a namespace a resource. */
export class BatutaClient {
  readonly operations: operations.OperationsOperations;
  readonly configs: operations.ConfigsOperations;
  readonly executions: Executions;
  readonly schedules: operations.SchedulesOperations;
  readonly agents: operations.AgentsOperations;
  readonly pools: operations.PoolsOperations;
  readonly models: operations.ModelsOperations;
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
      // A browser's fetch has to be called as a function of its window.
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
    this.agents = new operations.AgentsOperations(caller);
    this.pools = new operations.PoolsOperations(caller);
    this.models = new operations.ModelsOperations(caller);
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
   * Sends a request of your own making once, with the key, and gives the answer whatever its status.
   * @throws ConnectionError when there is none.
   */
  send(request: RawRequest): Promise<Response> {
    return this.#caller.send(request);
  }
}

function webSocketOf(given: WebSocketConstructor | undefined): WebSocketConstructor {
  const found = given ?? (globalThis as { WebSocket?: WebSocketConstructor }).WebSocket;
  if (found === undefined) throw new TypeError('there is no WebSocket here: give the client that of the package ws');
  return found;
}
