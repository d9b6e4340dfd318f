import { readFile, readdir } from 'node:fs/promises';
import { extname, join, relative, resolve, sep } from 'node:path';
import type { BatutaClient, DocumentBody } from '@batuta/client';
import { CliError } from './api-client.js';

const CONTENT_TYPES: Readonly<Record<string, DocumentBody['content_type']>> = {
  '.md': 'text/markdown',
  '.markdown': 'text/markdown',
  '.txt': 'text/plain',
};

interface AddedDocument {
  readonly source: string;
  readonly passages: number;
  readonly unchanged: boolean;
}

/**
 * Adds every Markdown and text file below a directory to the knowledge base. A file's path below the directory is the
 * document's source, so adding a changed file again replaces it.
 * @throws CliError when the directory cannot be read or contains no such file.
 */
export async function addKnowledge(
  client: BatutaClient,
  directory: string,
  onDocument: (document: AddedDocument) => void,
): Promise<void> {
  const top = resolve(directory);
  let entries;
  try {
    entries = await readdir(top, { withFileTypes: true, recursive: true });
  } catch (error) {
    throw new CliError(`cannot read ${directory}: ${(error as Error).message}`);
  }
  const files = entries
    .filter((entry) => entry.isFile() && CONTENT_TYPES[extname(entry.name).toLowerCase()] !== undefined)
    .map((entry) => join(entry.parentPath, entry.name))
    .toSorted();
  if (files.length === 0) {
    throw new CliError(`${directory} holds no Markdown (.md, .markdown) or text (.txt) file`);
  }
  for (const file of files) {
    const source = relative(top, file).split(sep).join('/');
    const document = await client.knowledge.put({
      source,
      content_type: CONTENT_TYPES[extname(file).toLowerCase()],
      content: await readFile(file, 'utf8'),
    });
    onDocument({ source, passages: document.passages, unchanged: document.unchanged === true });
  }
}
