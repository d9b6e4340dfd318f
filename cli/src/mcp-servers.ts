import type { BatutaClient } from '@batuta/client';
import { CliError } from './api-client.js';

type Server = Awaited<ReturnType<BatutaClient['mcpServers']['get']>>;
type Tool = Awaited<ReturnType<BatutaClient['mcpServers']['tools']>>['tools'][number];

/** Creates or replaces a server. `headers`: `name: value`, where a value may refer to a secret. */
export async function setMcpServer(
  client: BatutaClient,
  name: string,
  url: string,
  { header = [], description }: { readonly header?: readonly string[]; readonly description?: string },
): Promise<Server> {
  const headers = Object.fromEntries(
    header.map((text) => {
      const [, key, value] = /^\s*([^:\s]+)\s*:\s*(.*)$/.exec(text) ?? [];
      if (key === undefined || value === undefined) {
        throw new CliError(
          `--header ${text}: write it as "Name: value", such as "Authorization: Bearer {{secret:NAME}}"`,
        );
      }
      return [key, value] as const;
    }),
  );
  return client.mcpServers.put(name, {
    url,
    ...(header.length === 0 ? {} : { headers }),
    ...(description === undefined ? {} : { description }),
  });
}

/** A server as one line. */
export const mcpServerLine = ({ name, url, tools, description }: Server): string =>
  `${name}  ${url}  ${tools.length === 1 ? '1 tool' : `${tools.length} tools`} may be called  ${description}`.trimEnd();

/** A tool as one line. Control characters are left out, because the text comes from the server. */
export function mcpToolLine({ name, state, description, hash }: Tool): string {
  const line = `${name}  ${state ?? 'consented'}  ${hash.slice(0, 12)}  ${description}`;
  return line.replaceAll(/[\p{Cc}\p{Cf}]+/gu, ' ').trimEnd();
}

/**
 * Consents to these tools as the server describes them now, in addition to those before. Says what it has consented to. @throws
 * CliError when the server does not offer one of them.
 */
export async function consentToTools(client: BatutaClient, server: string, names: readonly string[]): Promise<Server> {
  const { tools } = await client.mcpServers.tools(server);
  const unknown = names.filter((name) => !tools.some((tool) => tool.name === name && tool.state !== 'gone'));
  if (unknown.length > 0) throw new CliError(`${server} does not offer ${unknown.join(', ')}`);
  // A tool that has changed needs to be named again.
  const wanted = tools.filter(({ name, state }) => state === 'consented' || (state !== 'gone' && names.includes(name)));
  return client.mcpServers.consent(server, { tools: wanted.map(({ name, hash }) => ({ name, hash })) });
}
