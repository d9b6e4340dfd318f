import { Liquid } from 'liquidjs';

/**
 * @typedef {{ kind: 'render', template: string, values: string, format: 'text' | 'html', maxCharacters: number }} RenderJob
 * @typedef {{ code: string, message: string }} Failure
 */

const MAX_TEMPLATE_LENGTH = 128 * 1024;
/** What liquidjs counts of what a template makes; the heap of the thread is the limit that always holds. */
const MEMORY_UNITS = 16_000_000;
const KEPT_TEMPLATES = 200;

/** @param {'escape' | undefined} outputEscape */
function engine(outputEscape) {
  const liquid = new Liquid({
    ownPropertyOnly: true,
    strictFilters: true,
    parseLimit: MAX_TEMPLATE_LENGTH,
    memoryLimit: MEMORY_UNITS,
    // Partials come from this empty map: a template reads no file.
    templates: {},
    ...(outputEscape === undefined ? {} : { outputEscape }),
  });
  for (const tag of ['include', 'render', 'layout', 'block']) delete liquid.tags[tag];
  /** A value inside one line of a Markdown table or list. */
  liquid.registerFilter('cell', (/** @type {unknown} */ value) => {
    const text = typeof value === 'string' ? value : (JSON.stringify(value ?? '') ?? '');
    return text.replace(/\s+/g, ' ').replaceAll('|', '\\|');
  });
  return liquid;
}

const engines = { text: engine(undefined), html: engine('escape') };

/** @type {Map<string, import('liquidjs').Template[]>} */
const parsed = new Map();

/** @param {string} template @param {'text' | 'html'} format */
function parse(template, format) {
  const key = `${format}:${template}`;
  const known = parsed.get(key);
  if (known !== undefined) return known;
  const made = engines[format].parse(template);
  const [oldest] = parsed.keys();
  if (parsed.size >= KEPT_TEMPLATES && oldest !== undefined) parsed.delete(oldest);
  parsed.set(key, made);
  return made;
}

/** @param {unknown} error @param {string} code @returns {Failure} */
function failureOf(error, code) {
  const message = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
  const isLimit = /(?:memory alloc|parse length|template render) limit exceeded/.test(message);
  return { code: isLimit ? 'memory_limit' : code, message: message.slice(0, 1000) };
}

/** @param {RenderJob} job */
export async function handle({ template, values, format, maxCharacters }) {
  let made;
  try {
    made = parse(template, format);
  } catch (error) {
    return { failure: failureOf(error, 'syntax_error') };
  }
  try {
    const text = String(engines[format].renderSync(made, JSON.parse(values)));
    if (text.length > maxCharacters) {
      const message = `the template gives ${text.length} characters; ${maxCharacters} are allowed`;
      return { failure: { code: 'result_too_large', message } };
    }
    return { text };
  } catch (error) {
    return { failure: failureOf(error, 'evaluation_error') };
  }
}

// What is slow the first time must not count against the first user's time limit.
await handle({
  kind: 'render',
  template: '{% for a in list %}{{ a | upcase | cell }}{% else %}{% if b %}{{ b.c | json }}{% endif %}{% endfor %}',
  values: '{"list":["a","b"],"b":{"c":1}}',
  format: 'text',
  maxCharacters: 1000,
});
