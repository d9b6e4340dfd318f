import { FAILURE_CODES, KNOWLEDGE_LIMITS, operations } from '@batuta/contracts';
import type { Passage, Refusal, SearchKnowledgeReply, SearchKnowledgeRequest } from '@batuta/contracts';
import { UnavailableError } from '@batuta/messaging';
import type { ControlClient } from '@batuta/messaging';
import { defineAgent, invalidInput, RetryableError, TerminalError } from '@batuta/worker';
import type { Agent, PlatformContext } from '@batuta/worker';

const LONGEST_TEXT = 4_000;

const words = { type: 'string', maxLength: KNOWLEDGE_LIMITS.query } as const;

const input = {
  properties: {
    query: { ...words, description: 'what to search for, as in a web search' },
    // Without a type, because an output of an earlier step may have this name.
    question: { maxLength: words.maxLength, description: 'a text: another name of `query`' },
    limit: {
      type: 'integer',
      minimum: 1,
      maximum: KNOWLEDGE_LIMITS.results,
      default: KNOWLEDGE_LIMITS.defaultResults,
      description: 'passages at most',
    },
  },
} as const;

const output = {
  type: 'object',
  properties: {
    query: { type: 'string' },
    count: { type: 'integer', description: 'of the passages' },
    passages: {
      type: 'array',
      items: { type: 'object' },
      description:
        '`source`, `title`, `headings`, `text`, `highlight` with hits between `**`, `rank`, `passage`, `first_line`, `last_line`',
    },
    sources: { type: 'array', items: { type: 'object' }, description: '`source` and `title` of each document' },
  },
} as const;

export function ragHandlerAgent(control: ControlClient): Agent<PlatformContext> {
  return defineAgent(
    'rag_handler',
    {
      description: "Searches the tenant's knowledge base, and returns the best passages with their sources.",
      input,
      output,
    },
    async (parameters, context: PlatformContext) => {
      const { tenantId } = context;
      const query = (parameters.query ?? textOf(parameters.question) ?? '').trim();
      if (query === '') throw invalidInput('query', 'or "question" is missing: rag_handler needs words to search for');
      const request: SearchKnowledgeRequest = {
        tenantId,
        query,
        limit: parameters.limit ?? KNOWLEDGE_LIMITS.defaultResults,
      };
      const reply = await ask<SearchKnowledgeReply>(control, operations.knowledge.search.subject, request, context);
      if (reply.refused !== undefined) throw refusalError(reply.refused);
      const passages = reply.passages.map(passageOf);
      return { query, count: passages.length, passages, sources: sourcesOf(passages) };
    },
  );
}

/** A control request that throws an agent's errors. When no service answers, another attempt may help. */
export async function ask<Reply>(
  control: ControlClient,
  pattern: string,
  data: unknown,
  context: Pick<PlatformContext, 'beginCall'>,
): Promise<Reply> {
  const call = context.beginCall(`request ${pattern}`, {
    'messaging.system': 'nats',
    'messaging.operation.name': 'request',
    'messaging.operation.type': 'send',
    'messaging.destination.name': pattern,
  });
  try {
    const reply = await control.request<Reply>(pattern, data);
    call.end({});
    return reply;
  } catch (error) {
    call.end({}, error instanceof Error ? error.name : 'error');
    if (error instanceof UnavailableError) {
      throw new RetryableError('unavailable', `A service of the platform does not answer: ${error.message}.`, {
        cause: error,
      });
    }
    throw error;
  }
}

/** A service's refusal in its own words, with every mistake and not only their number. */
export function refusalError({ code, message, violations = [] }: Refusal): TerminalError {
  const mistakes = violations.map((violation) => `${violation.path.slice(1)} ${violation.message}`.trim());
  return new TerminalError(
    code === 'validation_failed' ? FAILURE_CODES.inputInvalid : code,
    mistakes.length === 0 ? message : `${message.replace(/\.$/, '')}: ${mistakes.join('; ')}.`,
  );
}

const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

function passageOf(passage: Passage) {
  return {
    source: passage.source,
    title: passage.title,
    headings: passage.headings,
    text: passage.text.slice(0, LONGEST_TEXT),
    highlight: passage.highlight.slice(0, LONGEST_TEXT),
    rank: passage.rank,
    passage: passage.passageIndex,
    first_line: passage.firstLine,
    last_line: passage.lastLine,
  };
}

function sourcesOf(passages: readonly ReturnType<typeof passageOf>[]): { source: string; title: string }[] {
  const titles = new Map(passages.map(({ source, title }) => [source, title]));
  return [...titles].map(([source, title]) => ({ source, title }));
}
