import { liquidEngine } from './liquid-engine.js';

/**
 * @typedef {{ kind: 'render', template: string, values: string, format: 'text' | 'html', maxCharacters: number }} RenderJob
 * @typedef {{ kind: 'parse', templates: string[] }} ParseJob
 * @typedef {{ code: string, message: string }} Failure
 */

/** The synthesizer accepts templates of this length. Those of notifications are shorter. */
const LONGEST_TEMPLATE = 100_000;
/**
 * The limit of what liquidjs counts while it renders a template. liquidjs does not count everything; the heap limit of
 * the thread always holds.
 */
const MEMORY_UNITS = 16_000_000;
const KEPT_TEMPLATES = 200;

// The thread that starts this worker also limits its CPU time. That limit includes filters that liquidjs does not
// count.
const limits = { characters: LONGEST_TEMPLATE, renderMs: 60_000, memoryUnits: MEMORY_UNITS };
const engines = { text: liquidEngine(limits), html: liquidEngine(limits, 'html') };

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

/** @param {string} message */
function plain(message) {
  if (/call stack/i.test(message)) return 'the template is nested too deeply';
  if (/parse length limit/i.test(message)) return `a template may have at most ${LONGEST_TEMPLATE} characters`;
  return message.slice(0, 1000);
}

/** @param {unknown} error @param {string} code @returns {Failure} */
function failureOf(error, code) {
  const message = error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error);
  const isLimit = /(?:memory alloc|template render) limit exceeded/.test(message);
  return { code: isLimit ? 'memory_limit' : code, message: plain(message) };
}

/**
 * The mistake in the syntax of each template, or null for a template without one. The messages of liquidjs name line
 * and column.
 * @param {ParseJob} job
 */
function check({ templates }) {
  const failures = templates.map((template) => {
    try {
      engines.text.parse(template);
      return null;
    } catch (error) {
      return failureOf(error, 'syntax_error');
    }
  });
  return { failures };
}

/** @param {RenderJob | ParseJob} job */
export function handle(job) {
  return job.kind === 'parse' ? check(job) : render(job);
}

/** @param {RenderJob} job */
function render({ template, values, format, maxCharacters }) {
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

// The first rendering is slow, because code is loaded and compiled. That time must not count against the limit of the
// first user.
handle({
  kind: 'render',
  template: '{% for a in list %}{{ a | upcase | cell }}{% else %}{% if b %}{{ b.c | json }}{% endif %}{% endfor %}',
  values: '{"list":["a","b"],"b":{"c":1}}',
  format: 'text',
  maxCharacters: 1000,
});
