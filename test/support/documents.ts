import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import GithubSlugger from 'github-slugger';
import { fromMarkdown } from 'mdast-util-from-markdown';
import { toString } from 'mdast-util-to-string';
import { visit } from 'unist-util-visit';
import { ROOT } from './command.js';

/** A code block of a document, with the parts of its info string: a language, and words such as `file=config.json`. */
export interface Block {
  readonly language: string | undefined;
  readonly words: readonly string[];
  readonly text: string;
  /** The line of the document on which `text` begins. */
  readonly line: number;
}

/** A Markdown file of the repository. */
export class Document {
  readonly text: string;
  readonly #root: ReturnType<typeof fromMarkdown>;

  /** `path` is relative to the top folder of the checkout. */
  constructor(readonly path: string) {
    this.text = readFileSync(join(ROOT, path), 'utf8');
    this.#root = fromMarkdown(this.text);
  }

  /** Code blocks in the order of the document. */
  blocks(): Block[] {
    const blocks: Block[] = [];
    visit(this.#root, 'code', ({ lang, meta, value, position }) => {
      const fence = lang === null || lang === undefined ? 0 : 1;
      blocks.push({
        language: lang ?? undefined,
        words: (meta ?? '').split(/\s+/).filter((word) => word !== ''),
        text: value,
        line: (position?.start.line ?? 0) + fence,
      });
    });
    return blocks;
  }

  /** Code within sentences. */
  inlineCode(): { readonly text: string; readonly line: number }[] {
    const found: { text: string; line: number }[] = [];
    visit(this.#root, 'inlineCode', ({ value, position }) => {
      found.push({ text: value, line: position?.start.line ?? 0 });
    });
    return found;
  }

  /** The anchors of its headings, which follow `#` in links, as GitHub makes them. */
  anchors(): Set<string> {
    const slugger = new GithubSlugger();
    const anchors = new Set<string>();
    visit(this.#root, 'heading', (heading) => {
      anchors.add(slugger.slug(toString(heading)));
    });
    return anchors;
  }

  /** One sentence for each link to a missing file or heading of this repository. */
  brokenLinks(): string[] {
    const broken: string[] = [];
    visit(this.#root, (node) => {
      if (node.type !== 'link' && node.type !== 'definition') return;
      const { url, position } = node;
      if (/^[a-z][a-z0-9+.-]*:/i.test(url)) return;
      const [file = '', anchor] = decodeURI(url).split('#');
      const path = file === '' ? this.path : normalize(join(dirname(this.path), file));
      const place = `${this.path}:${position?.start.line ?? 0}`;
      const target = join(ROOT, path);
      if (relative(ROOT, target).startsWith('..') || !existsSync(target)) {
        broken.push(`${place}: there is no ${path}`);
      } else if (anchor !== undefined && !(path.endsWith('.md') && new Document(path).anchors().has(anchor))) {
        broken.push(`${place}: ${path} has no heading #${anchor}`);
      } else if (statSync(target).isDirectory() && !existsSync(join(target, 'README.md'))) {
        broken.push(`${place}: ${path} has no README.md to show`);
      }
    });
    return broken;
  }
}

/** A command of a shell block: one or several lines that bash reads as one command. */
export interface Command {
  readonly text: string;
  /** Line of the block, from 0. */
  readonly from: number;
  readonly lines: number;
}

/** The syntax error that bash reports for a script. Undefined when it is correct. */
export function shellMistake(script: string): string | undefined {
  const { status, stderr } = spawnSync('bash', ['-n'], { input: script, encoding: 'utf8' });
  return status === 0 ? undefined : stderr;
}

/** Splits a shell block into its commands, without comments and empty lines. */
export function commandsOf(block: Block): Command[] {
  const commands: Command[] = [];
  const lines = block.text.split('\n');
  for (let from = 0; from < lines.length; from += 1) {
    if (/^\s*(#|$)/.test(lines[from] ?? '')) continue;
    let count = 1;
    const text = (): string => lines.slice(from, from + count).join('\n');
    while (from + count < lines.length && (text().endsWith('\\') || shellMistake(text()) !== undefined)) count += 1;
    commands.push({ text: text(), from, lines: count });
    from += count - 1;
  }
  return commands;
}

const VARIES = /^\d{4}-\d\d-\d\dT[\d:.]+Z$|^[0-9a-f]{8}-[0-9a-f-]{27}$|^[0-9a-f]{32}$/;
const OPEN = '…';

/**
 * The differences between an answer and the one that a document shows, one sentence each. The answer may have more
 * fields. `…` in a text stands for any text, and as the last item of a list for any further items. Times, ids and
 * fractions differ between runs, so only their kind is compared.
 */
export function differences(shown: unknown, answer: unknown, path = ''): string[] {
  const differs = [`${path || '/'} is ${JSON.stringify(answer)}, not ${JSON.stringify(shown)}`];
  if (Array.isArray(shown)) {
    if (!Array.isArray(answer)) return differs;
    const open = shown.at(-1) === OPEN;
    const items = open ? shown.slice(0, -1) : shown;
    if (answer.length < items.length || (!open && answer.length > items.length)) return differs;
    return items.flatMap((item, index) => differences(item, answer[index], `${path}/${index}`));
  }
  if (typeof shown === 'object' && shown !== null) {
    if (typeof answer !== 'object' || answer === null || Array.isArray(answer)) return differs;
    return Object.entries(shown).flatMap(([name, value]) =>
      Object.hasOwn(answer, name)
        ? differences(value, (answer as Record<string, unknown>)[name], `${path}/${name}`)
        : [`${path}/${name} is missing`],
    );
  }
  if (typeof shown === 'string' && typeof answer === 'string') {
    if (VARIES.test(shown)) return VARIES.test(answer) ? [] : differs;
    const pattern = shown.split(OPEN).map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`));
    return new RegExp(`^${pattern.join('.*')}$`, 's').test(answer) ? [] : differs;
  }
  if (typeof shown === 'number' && !Number.isInteger(shown)) return typeof answer === 'number' ? [] : differs;
  return shown === answer ? [] : differs;
}
