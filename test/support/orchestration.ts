import { expectStatus } from './api.js';
import type { Api } from './api.js';

const API = '/api/v1/orchestrations';

export interface ApprovalShown {
  readonly status: string;
  readonly message: string;
  readonly approvers?: readonly string[];
  readonly requested_at: string;
  readonly deadline_at?: string;
  readonly decided_by?: string;
}

export interface StepShown {
  readonly step_id: string;
  readonly status: string;
  readonly attempt: number;
  readonly output?: unknown;
  readonly failure?: { readonly code: string };
  readonly skip_reason?: string;
  readonly served_by?: string;
  readonly reused?: boolean;
  readonly progress?: number;
  readonly progress_message?: string;
  readonly token_count?: number;
  readonly estimated_cost?: number;
  readonly approval?: ApprovalShown;
}

export interface ExecutionShown {
  readonly id: string;
  readonly status: string;
  readonly version: number;
  readonly output?: unknown;
  readonly failure?: { readonly code: string; readonly message: string; readonly details?: unknown };
  readonly priority: string;
  readonly forked_from?: string;
  readonly token_count: number;
  readonly estimated_cost: number;
  readonly budget?: {
    readonly max_tokens?: number;
    readonly max_cost?: number;
    readonly spent_tokens: number;
    readonly spent_cost: number;
    readonly exceeded?: { readonly resource: string; readonly limit: number; readonly spent: number };
  };
  readonly steps: readonly StepShown[];
  readonly consensus?: readonly {
    readonly group_id: string;
    readonly status: string;
    readonly winners: readonly string[];
    readonly dissent: readonly string[];
    readonly decided_by?: string;
    readonly share: number;
  }[];
  readonly compensation?: { readonly compensated: readonly string[]; readonly not_compensated: readonly string[] };
}

export interface EventShown {
  readonly version: number;
  readonly type: string;
  readonly data: Record<string, unknown>;
}

export interface Commanded {
  readonly status: string;
  readonly version: number;
  readonly repeated?: boolean;
  readonly code?: string;
  readonly detail?: string;
}

/** What the end-to-end tests do with orchestrations, over REST. */
export class Orchestrations {
  constructor(private readonly api: Api) {}

  /** Saves the config and gives its name. */
  async save(definition: { readonly name: string } & Record<string, unknown>): Promise<string> {
    expectStatus(await this.api.post(`${API}/configs`, definition), 201);
    return definition.name;
  }

  async start(config: string, body: Record<string, unknown> = {}): Promise<string> {
    return expectStatus(await this.api.post<{ execution_id: string }>(`${API}/execute/${config}`, body), 202)
      .execution_id;
  }

  async get(id: string, atVersion?: number): Promise<ExecutionShown> {
    const query = atVersion === undefined ? '' : `?at_version=${atVersion}`;
    return expectStatus(await this.api.get<ExecutionShown>(`${API}/executions/${id}${query}`), 200);
  }

  /** The execution once it has ended. */
  async ended(id: string): Promise<ExecutionShown> {
    expectStatus(await this.api.get(`${API}/executions/${id}/result?wait=60s`), 200);
    return this.get(id);
  }

  /** Sends a command and gives status and body, whatever they are. */
  async command(
    id: string,
    command: string,
    body?: Record<string, unknown>,
    key?: string,
  ): Promise<Commanded & { readonly http: number }> {
    const answer = await this.api.post<Commanded>(
      `${API}/executions/${id}/${command}`,
      body,
      key === undefined ? {} : { 'idempotency-key': key },
    );
    return { ...answer.body, http: answer.status };
  }

  async events(id: string): Promise<EventShown[]> {
    const page = await this.api.get<{ events: EventShown[] }>(`${API}/executions/${id}/events?limit=1000`);
    return expectStatus(page, 200).events;
  }
}

/** The events as short texts: type, and the step or group they are about. */
export function outline(events: readonly EventShown[], ...types: readonly string[]): string[] {
  return events
    .filter(({ type }) => types.length === 0 || types.includes(type))
    .map(({ type, data }) => {
      const about = data['step_id'] ?? data['group_id'];
      return typeof about === 'string' ? `${type} ${about}` : type;
    });
}

export function stepOf(execution: ExecutionShown, id: string): StepShown {
  const found = execution.steps.find(({ step_id }) => step_id === id);
  if (found === undefined) throw new Error(`the execution has no step ${id}`);
  return found;
}
