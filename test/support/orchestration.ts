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

/** What a command is answered with, or what it is refused with. */
export type CommandAnswer = Partial<Commanded> & {
  readonly http: number;
  readonly code?: string;
  readonly detail?: string;
};

/** What the end-to-end tests do with orchestrations, over REST. */
export class Orchestrations {
  constructor(private readonly api: Api) {}

  /** Saves the config and gives its name. */
  async save(definition: { readonly name: string } & Record<string, unknown>): Promise<string> {
    // Documents and tests write definitions as JSON, and the platform refuses what is none.
    await this.api.client.configs.create(definition as unknown as OrchestrationDefinition);
    return definition.name;
  }

  async start(config: string, body: ExecuteBody = {}): Promise<string> {
    return (await this.api.client.executions.start(config, body)).execution_id;
  }

  async get(id: string, atVersion?: number): Promise<ExecutionView> {
    return await this.api.client.executions.get(id, { at_version: atVersion });
  }

  /** The execution once it has ended. */
  async ended(id: string): Promise<ExecutionView> {
    await this.api.client.executions.wait(id, { withinMs: 60_000 });
    return this.get(id);
  }

  /** Sends a command, such as `pause` or `steps/<id>/approve`, and gives status and body, whatever they are. */
  async command(
    id: string,
    command: string,
    body?: Partial<PauseBody & CancelBody & DecisionBody & SignalBody & ForkBody>,
    key?: string,
  ): Promise<CommandAnswer> {
    const answer = await this.api.post<Partial<Commanded> & { code?: string; detail?: string }>(
      `/api/v1/orchestrations/executions/${id}/${command}`,
      body,
      key === undefined ? {} : { 'idempotency-key': key },
    );
    return { ...answer.body, http: answer.status };
  }

  async events(id: string): Promise<Event[]> {
    return await this.api.client.executions.events(id, { limit: 1000 }).all();
  }
}

/** The events as short texts: type, and the step or group they are about. */
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
