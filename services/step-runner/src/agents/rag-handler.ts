import { FAILURE_CODES, KNOWLEDGE_LIMITS, subjects } from '@batuta/contracts';
import type { Passage, Refusal, SearchKnowledgeReply, SearchKnowledgeRequest } from '@batuta/contracts';
import { UnavailableError } from '@batuta/messaging';
import type { ControlClient } from '@batuta/messaging';
import { RetryableError, TerminalError } from '@batuta/worker';
import type { Agent, PlatformContext } from '@batuta/worker';
import { Parameters, wrong } from './parameters.js';

const LONGEST_TEXT = 4_000;

/** Searches the tenant's knowledge base for `query` (or `question`) and returns the best passages with their sources. */
export function ragHandlerAgent(control: ControlClient): Agent<PlatformContext> {
  return {
    name: 'rag_handler',
    version: '1',
    async run(input, context) {
      const { tenantId } = context;
      const parameters = new Parameters(input);
      const query = (
        parameters.text('query', { maxLength: KNOWLEDGE_LIMITS.query }) ??
        parameters.text('question', { maxLength: KNOWLEDGE_LIMITS.query }) ??
        ''
      ).trim();
      if (query === '') throw wrong('query', 'or "question" is missing: rag_handler needs words to search for');
      const request: SearchKnowledgeRequest = {
        tenantId,
        query,
        limit:
          parameters.number('limit', { min: 1, max: KNOWLEDGE_LIMITS.results, whole: true }) ??
          KNOWLEDGE_LIMITS.defaultResults,
      };
      const reply = await ask<SearchKnowledgeReply>(control, subjects.config.knowledgeSearch, request, context);
      if (reply.refused !== undefined) throw refusalError(reply.refused);
      const passages = reply.passages.map(passageOf);
      return { query, count: passages.length, passages, sources: sourcesOf(passages) };
    },
  };
}

/** A control request whose failures are those of an agent: nobody there is worth another attempt. */
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

/** What a service refused, in its own words: each mistake it names, not only how many there are. */
export function refusalError({ code, message, violations = [] }: Refusal): TerminalError {
  const mistakes = violations.map((violation) => `${violation.path.slice(1)} ${violation.message}`.trim());
  return new TerminalError(
    code === 'validation_failed' ? FAILURE_CODES.inputInvalid : code,
    mistakes.length === 0 ? message : `${message.replace(/\.$/, '')}: ${mistakes.join('; ')}.`,
  );
}

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
