import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import { CliError } from './api-client.js';

/** The JSON in a file, or in standard input for "-". @throws CliError when it cannot be read. */
export async function documentIn(file: string): Promise<object> {
  let said: string;
  try {
    said = file === '-' ? await text(process.stdin) : await readFile(file, 'utf8');
  } catch (error) {
    throw new CliError(`cannot read ${file}: ${(error as Error).message}`);
  }
  return parsed(said, file) as object;
}

/** The value of an option that is JSON, or "@" and a file that has it. @throws CliError when it is not JSON. */
export async function jsonArgument(option: string, value: string): Promise<unknown> {
  return value.startsWith('@') ? await documentIn(value.slice(1)) : parsed(value, option);
}

function parsed(said: string, where: string): unknown {
  try {
    return JSON.parse(said);
  } catch (error) {
    throw new CliError(`${where} is not JSON: ${(error as Error).message}`);
  }
}
