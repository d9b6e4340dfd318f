import type { BatutaClient } from '@batuta/client';
import { CliError } from './api-client.js';

/**
 * Stores the content of standard input, without the line end that a shell or an editor adds. The value is not an
 * argument, because arguments are visible in the list of processes and in the shell's history. Returns the new version.
 * @throws CliError when there is no input.
 */
export async function setSecret(
  client: BatutaClient,
  name: string,
  description: string | undefined,
  input: NodeJS.ReadStream = process.stdin,
): Promise<number> {
  if (input.isTTY) throw new CliError(`the value is read from standard input: batuta secrets set ${name} < file`);
  let text = '';
  input.setEncoding('utf8');
  for await (const chunk of input) text += String(chunk);
  const value = text.replace(/\r?\n$/, '');
  const secret = await client.secrets.put(name, description === undefined ? { value } : { value, description });
  return secret.version;
}

/** Lines of a list of all secrets. */
export async function* secretLines(client: BatutaClient): AsyncIterable<string> {
  for await (const { name, version, description, last_used_at: usedAt } of client.secrets.list()) {
    const used = usedAt == null ? 'never used' : `last used ${usedAt}`;
    yield `${name}  version ${version}  ${used}  ${description}`.trimEnd();
  }
}
