import type { CallToolResult } from '@modelcontextprotocol/server';
import type { JsonObject, JsonValue } from '@batuta/contracts';
import type { RestAnswer } from './rest-calls.js';

const shownText = (value: JsonValue): string => (typeof value === 'string' ? value : JSON.stringify(value));

/** What the model reads about a refusal: the detail and every mistake with its place. */
function refusalText({ body, text }: RestAnswer): string {
  if (body === undefined) return text;
  const { code, detail, title, errors } = body;
  const said = [`${shownText(code ?? 'refused')}: ${shownText(detail ?? title ?? 'The request was refused.')}`];
  for (const error of Array.isArray(errors) ? (errors as JsonObject[]) : []) {
    said.push(`- ${shownText(error['path'] ?? '')}: ${shownText(error['message'] ?? '')}`);
  }
  return said.join('\n');
}

/** A refused request as the result of a tool, so that the model can correct its arguments. */
export const refusedResult = (answer: RestAnswer): CallToolResult => ({
  isError: true,
  content: [{ type: 'text', text: refusalText(answer) }],
});

export const mistakeResult = (text: string): CallToolResult => ({ isError: true, content: [{ type: 'text', text }] });

/** A link to an execution in the API. */
export const executionLink = (base: string, executionId: string): CallToolResult['content'][number] => ({
  type: 'resource_link',
  uri: `${base}/api/v1/orchestrations/executions/${executionId}`,
  name: `execution ${executionId}`,
  description: 'The execution with its steps. Read it with executions_get.',
  mimeType: 'application/json',
});

/** The answer of a route as the result of a tool. */
export function answerResult(answer: RestAnswer, base: string): CallToolResult {
  if (!answer.ok) return refusedResult(answer);
  const { body, text } = answer;
  if (body === undefined) return { content: [{ type: 'text', text }] };
  const { execution_id: executionId } = body;
  return {
    structuredContent: body,
    content: [
      { type: 'text', text: JSON.stringify(body) },
      ...(typeof executionId === 'string' ? [executionLink(base, executionId)] : []),
    ],
  };
}
