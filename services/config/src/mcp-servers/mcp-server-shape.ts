import { expressionIn, mentionsSecret, objectOf, secretMistake } from '@batuta/contracts';
import { documentCheck, isRecord } from '@batuta/documents';
import type { Report } from '@batuta/documents';

/** A user's description of an MCP server. */
export interface McpServerBody {
  readonly url: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly description?: string;
}

const HEADER = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/;
/** Headers that the client of the protocol sets, or that decide where a request goes. */
const OWN = /^(?:host|content-length|content-type|accept|connection|transfer-encoding|upgrade|mcp-.*)$/i;

export const mcpServerShape = documentCheck(
  objectOf<Required<McpServerBody>>(
    'The description of an MCP server.',
    {
      url: { type: 'string', minLength: 1, maxLength: 2_048 },
      headers: {
        type: 'object',
        maxProperties: 30,
        additionalProperties: { type: 'string', maxLength: 8_000 },
      },
      description: { type: 'string', maxLength: 2_000 },
    },
    ['url'],
  ),
);

/** Checks rules that the schema cannot express. */
export function reportMcpServer(body: Readonly<Record<string, unknown>>, report: Report): void {
  const { url, description, headers } = body;
  for (const [field, value] of Object.entries({ url, description })) {
    if (typeof value === 'string' && mentionsSecret(value)) {
      report.add(`/${field}`, 'secret_not_allowed', 'only headers may refer to secrets');
    }
  }
  if (typeof url === 'string') reportUrl(url, report);
  if (!isRecord(headers)) return;
  const seen = new Set<string>();
  for (const [name, value] of Object.entries(headers)) {
    const path = `/headers/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`;
    if (!HEADER.test(name)) report.add(path, 'bad_format', 'must be the name of a header');
    else if (OWN.test(name)) report.add(path, 'not_allowed', 'is set by the platform');
    if (seen.has(name.toLowerCase())) {
      report.add(path, 'repeated_parameter', 'is there twice: case does not tell headers apart');
    }
    seen.add(name.toLowerCase());
    if (typeof value !== 'string') continue;
    const mistake = secretMistake(value);
    if (mistake !== undefined) report.add(path, 'bad_format', mistake);
    else if (expressionIn(value) !== undefined) report.add(path, 'bad_format', 'must be a text and no expression');
    else if (/[\r\n\0]/.test(value)) report.add(path, 'invalid_character', 'must be one line');
  }
}

function reportUrl(text: string, report: Report): void {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    report.add('/url', 'bad_format', 'must be an http or https URL');
  } else if (url.username !== '' || url.password !== '' || url.hash !== '') {
    report.add('/url', 'bad_format', 'must have no credentials and no fragment; put a key into a header');
  }
}
