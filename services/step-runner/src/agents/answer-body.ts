import type { JsonValue } from '@batuta/contracts';
import type { CallAnswer } from '@batuta/outbound-http';

/** An answer's body in the form that an agent returns, and the mistake when the body does not fit its headers. */
interface AnswerBody {
  readonly value: JsonValue;
  /** A sentence about the answer. Undefined when the body could be read. */
  readonly problem?: string;
}

const JSON_TYPE = /[/+]json\b/i;
const TEXT_TYPE = /^\s*text\/|[/+](?:json|xml)\b|\/(?:javascript|x-www-form-urlencoded|yaml)\b/i;
const CHARSET = /;\s*charset\s*=\s*(?:"([^"]*)"|([^;,\s]*))/i;
/** Where a document of this type declares its own charset. */
const DECLARED: readonly [type: RegExp, declaration: RegExp][] = [
  [/[/+]xml\b/i, /^\s*<\?xml[^>]*\sencoding\s*=\s*["']([\w.:-]+)/i],
  [/\/html\b/i, /<meta\s[^>]*charset\s*=\s*["']?([\w.:-]+)/i],
];
const DECLARED_WITHIN = 1024;

/**
 * The body as JSON when the headers say so and it is valid JSON. Otherwise as text in its charset (UTF-8 by default). A
 * body that is not text becomes Base64.
 */
export function answerBody({ body, headers }: Pick<CallAnswer, 'body' | 'headers'>): AnswerBody {
  if (body.length === 0) return { value: null };
  const type = headers['content-type'] ?? '';
  const isJson = JSON_TYPE.test(type);
  const named = charsetIn(type);
  const isText = named !== undefined || TEXT_TYPE.test(type);
  const charset = markedCharset(body, isText) ?? named ?? declaredCharset(body, type) ?? 'utf-8';
  const text = decoded(body, charset) ?? (isKnown(charset) ? undefined : decoded(body, 'utf-8'));
  if (text === undefined) {
    const value = { base64: body.toString('base64') };
    if (!isKnown(charset)) return { value, problem: `names the charset "${charset.slice(0, 50)}", which is not known` };
    return isJson || named !== undefined ? { value, problem: `is not text in ${charset.slice(0, 50)}` } : { value };
  }
  if (!isJson) return { value: text };
  try {
    return { value: JSON.parse(text) as JsonValue };
  } catch {
    return { value: text };
  }
}

function charsetIn(contentType: string): string | undefined {
  const [, quoted, plain] = CHARSET.exec(contentType) ?? [];
  return (quoted ?? plain)?.trim() || undefined;
}

/**
 * A byte order mark takes precedence over the header (WHATWG Encoding, "decode"). A body that is not text may begin
 * with the same bytes by chance.
 */
function markedCharset(body: Buffer, isText: boolean): string | undefined {
  if (body[0] === 0xef && body[1] === 0xbb && body[2] === 0xbf) return 'utf-8';
  if (!isText) return undefined;
  if (body[0] === 0xff && body[1] === 0xfe) return 'utf-16le';
  return body[0] === 0xfe && body[1] === 0xff ? 'utf-16be' : undefined;
}

function declaredCharset(body: Buffer, contentType: string): string | undefined {
  const declaration = DECLARED.find(([type]) => type.test(contentType))?.[1];
  return declaration?.exec(body.toString('latin1', 0, DECLARED_WITHIN))?.[1];
}

function isKnown(charset: string): boolean {
  try {
    new TextDecoder(charset);
    return true;
  } catch {
    return false;
  }
}

/** The text without its byte order mark. Undefined when the charset is unknown or the bytes do not fit it. */
function decoded(body: Buffer, charset: string): string | undefined {
  try {
    const decoder = new TextDecoder(charset, { fatal: true });
    const text = decoder.decode(body);
    // Pages that say ISO-8859-1 mean windows-1252, but Node.js 20 decodes some of its characters as control characters
    // of Latin-1.
    return decoder.encoding === 'windows-1252'
      ? text.replaceAll(/[\x80-\x9f]/g, (control) => WINDOWS_1252.charAt(control.charCodeAt(0) - 0x80))
      : text;
  } catch {
    return undefined;
  }
}

/** The characters of 0x80 to 0x9f (https://encoding.spec.whatwg.org/index-windows-1252.txt). */
const WINDOWS_1252 = '€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ';
