import { LLMock } from '@copilotkit/aimock';

type Request = Parameters<NonNullable<Parameters<LLMock['on']>[0]['predicate']>>[0];
type Response = Exclude<Parameters<LLMock['on']>[1], (...values: never[]) => unknown>;

/** A call of a tool as a scripted model wants it. */
export interface WantedCall {
  readonly name: string;
  readonly arguments: Record<string, unknown>;
}

/**
 * A model server with a script: who speaks is told by the system message, and how far the conversation is by the results of tools that
 * are in it.
 */
export class ModelServer {
  readonly #mock = new LLMock({ port: 0 });

  async start(): Promise<string> {
    await this.#mock.start();
    return `${this.#mock.url}/v1`;
  }

  async stop(): Promise<void> {
    await this.#mock.stop();
  }

  /** Answers whoever is told `system` in the conversation's turn that has so many results of tools. */
  says(system: string, results: number, answer: string | readonly WantedCall[]): void {
    this.on((request) => systemOf(request).includes(system) && resultsOf(request).length === results, answer);
  }

  on(predicate: (request: Request) => boolean, answer: string | readonly WantedCall[]): void {
    const response: Response =
      typeof answer === 'string'
        ? { content: answer }
        : { toolCalls: answer.map(({ name, arguments: input }) => ({ name, arguments: JSON.stringify(input) })) };
    this.#mock.on({ predicate }, response);
  }

  /** What was asked of whoever is told `system`, oldest first. */
  asked(system: string): readonly Request[] {
    return this.#mock
      .getRequests()
      .flatMap(({ body }) => (body === null ? [] : [body as Request]))
      .filter((request) => systemOf(request).includes(system));
  }
}

export function systemOf({ messages }: Request): string {
  return messages
    .filter(({ role }) => role === 'system')
    .map(textOf)
    .join('\n');
}

/** Results of tools in a conversation, as texts. */
export function resultsOf({ messages }: Request): string[] {
  return messages.filter(({ role }) => role === 'tool').map(textOf);
}

export function textOf({ content }: Request['messages'][number]): string {
  return typeof content === 'string' ? content : JSON.stringify(content ?? '');
}
