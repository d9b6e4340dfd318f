import { readFileSync } from 'node:fs';

/**
 * The rows of the table under a heading of a Markdown file, by column title and without code marks. Throws when there
 * is no such table, so that a test of documentation cannot pass without data.
 */
export function tableUnder(file: URL, heading: string): Record<string, string>[] {
  const lines = readFileSync(file, 'utf8').split('\n');
  const from = lines.findIndex((line) => /^#+ /.test(line) && line.replace(/^#+ /, '') === heading);
  const first = lines.findIndex((line, index) => index > from && line.startsWith('|'));
  const cells = (line: string): string[] =>
    line
      .slice(1, line.lastIndexOf('|'))
      .split('|')
      .map((cell) => cell.trim().replaceAll('`', ''));
  const titles = cells(lines[first] ?? '');
  const rows: Record<string, string>[] = [];
  for (let index = first + 2; lines[index]?.startsWith('|') === true; index += 1) {
    const values = cells(lines[index] ?? '');
    rows.push(Object.fromEntries(titles.map((title, column) => [title, values[column] ?? ''])));
  }
  if (from === -1 || first === -1 || rows.length === 0) throw new Error(`there is no table under "${heading}"`);
  return rows;
}
