/** A piece of a document. Lines count from 1, both ends included. */
export interface SplitPassage {
  /** The headings above it, outermost first. */
  readonly headings: readonly string[];
  readonly text: string;
  readonly firstLine: number;
  readonly lastLine: number;
}

export type ContentType = 'text/markdown' | 'text/plain';

/** Length in characters (UTF-16) at which a passage is full. A paragraph is kept whole if it fits. */
const PASSAGE_LENGTH = 1200;
/** A single paragraph is cut only if it is longer than this. */
const LONGEST_PASSAGE = 2000;
const MAX_HEADING = 300;

interface Line {
  readonly text: string;
  readonly number: number;
}

/** Lines that belong together: a paragraph, a list, a fenced block. */
interface Block {
  readonly lines: readonly Line[];
}

const ATX_HEADING = /^ {0,3}(#{1,6})(?:[ \t]+(.*?))?(?:[ \t]+#+)?[ \t]*$/;
const SETEXT_UNDERLINE = /^ {0,3}(=+|-+)[ \t]*$/;
const FENCE = /^ {0,3}(`{3,}|~{3,})/;

/** The title in a document: the first heading of Markdown, or the first line of text that is not blank. */
export function titleIn(content: string, contentType: ContentType): string | undefined {
  const title =
    contentType === 'text/markdown'
      ? sectionsOf(linesOf(content))
          .find(({ headings }) => headings.length > 0)
          ?.headings.at(-1)
      : content.split(/\r\n|\r|\n/, 50).find((line) => line.trim() !== '');
  return title?.trim().slice(0, MAX_HEADING) || undefined;
}

/**
 * Splits a document into passages: Markdown by headings, and both formats by paragraphs and size. Keeps the line
 * numbers.
 */
export function splitPassages(content: string, contentType: ContentType): SplitPassage[] {
  const lines = linesOf(content);
  const sections: Section[] =
    contentType === 'text/markdown' ? sectionsOf(lines) : [{ headings: [], heading: undefined, lines }];
  return sections.flatMap((section, index) => {
    const passages = packBlocks(blocksOf(section.lines), section.headings);
    if (passages.length > 0 || section.heading === undefined) return passages;
    // A heading with nothing below it is a passage too, unless its own subsections contain it.
    const next = sections[index + 1];
    if (next !== undefined && next.headings.length > section.headings.length) return [];
    const { text, number } = section.heading;
    return [{ headings: section.headings, text: text.trim(), firstLine: number, lastLine: number }];
  });
}

function linesOf(content: string): Line[] {
  return content.split(/\r\n|\r|\n/).map((text, index) => ({ text, number: index + 1 }));
}

interface Section {
  readonly headings: readonly string[];
  readonly heading: Line | undefined;
  readonly lines: readonly Line[];
}

/** The sections of a Markdown text. A "#" inside a fenced block is not a heading. */
function sectionsOf(lines: readonly Line[]): Section[] {
  const sections: { headings: string[]; heading: Line | undefined; lines: Line[] }[] = [];
  let current = { headings: [] as string[], heading: undefined as Line | undefined, lines: [] as Line[] };
  const levels: { level: number; title: string }[] = [];
  let fence: string | undefined;
  const begin = (level: number, title: string, heading: Line): void => {
    sections.push(current);
    while ((levels.at(-1)?.level ?? 0) >= level) levels.pop();
    levels.push({ level, title: title.slice(0, MAX_HEADING) });
    current = { headings: levels.map((entry) => entry.title), heading, lines: [] };
  };
  const metadataEnd =
    lines[0]?.text.trimEnd() === '---'
      ? lines.findIndex((line, at) => at > 0 && /^(---|\.\.\.)\s*$/.test(line.text))
      : -1;
  for (const [index, line] of lines.entries()) {
    const marker = FENCE.exec(line.text)?.[1];
    if (fence !== undefined) {
      if (marker?.startsWith(fence) === true && line.text.trim() === marker) fence = undefined;
      current.lines.push(line);
      continue;
    }
    if (index <= metadataEnd) {
      current.lines.push(line);
      continue;
    }
    if (marker !== undefined) fence = marker;
    const atx = marker === undefined ? ATX_HEADING.exec(line.text) : null;
    const above = current.lines.at(-1);
    const underline = SETEXT_UNDERLINE.exec(line.text)?.[1];
    if (atx !== null) {
      begin(atx[1]?.length ?? 1, atx[2] ?? '', line);
    } else if (underline !== undefined && above !== undefined && isSetextTitle(current.lines)) {
      current.lines.pop();
      begin(underline.startsWith('=') ? 1 : 2, above.text.trim(), above);
    } else {
      current.lines.push(line);
    }
  }
  sections.push(current);
  return sections;
}

/** Whether the last line is a paragraph of one line, which an underline turns into a heading. */
function isSetextTitle(lines: readonly Line[]): boolean {
  const last = lines.at(-1)?.text ?? '';
  const before = lines.at(-2)?.text.trim() ?? '';
  return last.trim() !== '' && before === '' && !/^\s*([-*+>|]|\d+[.)])/.test(last) && !/^ {4}/.test(last);
}

/** Paragraphs, separated by blank lines. A fenced block is one paragraph, including its blank lines. */
function blocksOf(lines: readonly Line[]): Block[] {
  const blocks: Block[] = [];
  let current: Line[] = [];
  let fence: string | undefined;
  const end = (): void => {
    if (current.length > 0) blocks.push({ lines: current });
    current = [];
  };
  for (const line of lines) {
    const marker = FENCE.exec(line.text)?.[1];
    if (fence === undefined && line.text.trim() === '') {
      end();
      continue;
    }
    current.push(line);
    if (fence === undefined) fence = marker;
    else if (marker?.startsWith(fence) === true && line.text.trim() === marker) fence = undefined;
  }
  end();
  return blocks.flatMap(cutBlock);
}

const lengthOf = (lines: readonly Line[]): number => lines.reduce((sum, { text }) => sum + text.length + 1, 0);

/** Cuts a block that is too long between lines, and a line that is too long between words. */
function cutBlock(block: Block): Block[] {
  if (lengthOf(block.lines) <= LONGEST_PASSAGE) return [block];
  const pieces: Block[] = [];
  let current: Line[] = [];
  let length = 0;
  for (const line of block.lines.flatMap(cutLine)) {
    if (length + line.text.length > PASSAGE_LENGTH && current.length > 0) {
      pieces.push({ lines: current });
      current = [];
      length = 0;
    }
    current.push(line);
    length += line.text.length + 1;
  }
  if (current.length > 0) pieces.push({ lines: current });
  return pieces;
}

function cutLine(line: Line): Line[] {
  const pieces: Line[] = [];
  let rest = line.text;
  while (rest.length > PASSAGE_LENGTH) {
    const space = rest.lastIndexOf(' ', PASSAGE_LENGTH);
    let at = space > PASSAGE_LENGTH / 2 ? space : PASSAGE_LENGTH;
    // Never between the two halves of a character.
    if (/[\uD800-\uDBFF]/.test(rest.charAt(at - 1))) at -= 1;
    pieces.push({ text: rest.slice(0, at), number: line.number });
    rest = rest.slice(at).trimStart();
  }
  if (rest !== '') pieces.push({ text: rest, number: line.number });
  return pieces;
}

function packBlocks(blocks: readonly Block[], headings: readonly string[]): SplitPassage[] {
  const passages: SplitPassage[] = [];
  let current: Block[] = [];
  let length = 0;
  const end = (): void => {
    const first = current[0]?.lines[0];
    const last = current.at(-1)?.lines.at(-1);
    if (first === undefined || last === undefined) return;
    const text = current.map(({ lines }) => lines.map((line) => line.text).join('\n')).join('\n\n');
    passages.push({ headings, text, firstLine: first.number, lastLine: last.number });
    current = [];
    length = 0;
  };
  for (const block of blocks) {
    const size = lengthOf(block.lines);
    if (length > 0 && length + size > PASSAGE_LENGTH) end();
    current.push(block);
    length += size;
  }
  end();
  return passages;
}
