import type {
  CancelBody,
  Commanded,
  DecisionBody,
  Event,
  ExecuteBody,
  ExecutionView,
  ForkBody,
  OrchestrationDefinition,
  PauseBody,
  SignalBody,
  StepView,
} from '@batuta/client';
import type { Api } from './api.js';

/** The answer to a command, or its refusal. */
export type CommandAnswer = Partial<Commanded> & {
  readonly http: number;
  readonly code?: string;
  readonly detail?: string;
};

/** Operations on orchestrations for end-to-end tests, over REST. */
export class Orchestrations {
  readonly #api: Api;

  constructor(api: Api) {
    this.#api = api;
  }

  /** Saves the config and returns its name. */
  async save(definition: { readonly name: string } & Record<string, unknown>): Promise<string> {
    // Documents and tests write definitions as JSON, and the platform refuses invalid ones.
    await this.#api.client.configs.create(definition as unknown as OrchestrationDefinition);
    return definition.name;
  }

  async start(config: string, body: ExecuteBody = {}): Promise<string> {
    return (await this.#api.client.executions.start(config, body)).execution_id;
  }

  async get(id: string, atVersion?: number): Promise<ExecutionView> {
    return await this.#api.client.executions.get(id, { at_version: atVersion });
  }

  /** Waits for the end of the execution. */
  async ended(id: string): Promise<ExecutionView> {
    await this.#api.client.executions.wait(id, { withinMs: 60_000 });
    return this.get(id);
  }

  /** Sends a command, such as `pause` or `steps/<id>/approve`, and returns status and body, whatever they are. */
  async command(
    id: string,
    command: string,
    body?: Partial<PauseBody & CancelBody & DecisionBody & SignalBody & ForkBody>,
    key?: string,
  ): Promise<CommandAnswer> {
    const answer = await this.#api.post<Partial<Commanded> & { code?: string; detail?: string }>(
      `/api/v1/orchestrations/executions/${id}/${command}`,
      body,
      key === undefined ? {} : { 'idempotency-key': key },
    );
    return { ...answer.body, http: answer.status };
  }

  async events(id: string): Promise<Event[]> {
    return await this.#api.client.executions.events(id, { limit: 1000 }).all();
  }
}

/** The events as short texts: the type, and the step or group. */
export function outline(events: readonly Event[], ...types: readonly string[]): string[] {
  return events
    .filter(({ type }) => types.length === 0 || types.includes(type))
    .map(({ type, data }) => {
      const about = 'step_id' in data ? data.step_id : 'group_id' in data ? data.group_id : undefined;
      return about === undefined ? type : `${type} ${about}`;
    });
}

export function stepOf(execution: ExecutionView, id: string): StepView {
  const found = execution.steps.find(({ step_id }) => step_id === id);
  if (found === undefined) throw new Error(`the execution has no step ${id}`);
  return found;
}
