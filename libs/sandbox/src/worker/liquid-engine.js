import { filters, Liquid } from 'liquidjs';

/**
 * @typedef {object} LiquidLimits
 * @property {number} characters of a template
 * @property {number} renderMs
 * @property {number} memoryUnits characters and elements that a template makes
 */

/** @typedef {(this: any, value: unknown, ...rest: unknown[]) => unknown} FilterFunction */

/** Tags that name other templates. They are removed, because there are no other templates. */
const FILE_TAGS = ['include', 'render', 'layout', 'block'];
const DATE_FILTERS = ['date', 'date_to_xmlschema', 'date_to_rfc822', 'date_to_string', 'date_to_long_string'];

/**
 * An engine for users' Liquid templates. A template reads no files and no inherited properties, and its size, time and
 * memory are limited. It gives the same text on every host: times are in UTC and names of months are in English unless
 * the template asks for something else. Objects and lists are written as JSON. With `html`, the output is escaped. The
 * filter `cell` makes a value fit in one line of a Markdown table or list.
 *
 * @param {LiquidLimits} limits
 * @param {'text' | 'html'} as
 */
export function liquidEngine({ characters, renderMs, memoryUnits }, as = 'text') {
  const escape = functionOf('escape');
  const liquid = new Liquid({
    strictFilters: true,
    ownPropertyOnly: true,
    parseLimit: characters,
    renderLimit: renderMs,
    memoryLimit: memoryUnits,
    // Partials come from this empty map: a template reads no file.
    templates: {},
    timezoneOffset: 'UTC',
    locale: 'en-US',
    outputEscape(/** @type {unknown} */ value) {
      return /** @type {string} */ (as === 'html' ? escape.call(this, written(value)) : written(value));
    },
  });
  for (const tag of FILE_TAGS) delete liquid.tags[tag];
  for (const name of DATE_FILTERS) {
    const filter = functionOf(name);
    liquid.registerFilter(
      name,
      /** @type {FilterFunction} */ (
        function (value, ...rest) {
          return filter.call(this, inUtc(value), ...rest);
        }
      ),
    );
  }
  liquid.registerFilter('cell', (/** @type {unknown} */ value) => {
    const text =
      typeof value === 'string' ? value : value === undefined || value === null ? '' : (JSON.stringify(value) ?? '');
    return text.replace(/\s+/g, ' ').replaceAll('|', '\\|');
  });
  return liquid;
}

/** @param {string} name @returns {FilterFunction} */
function functionOf(name) {
  const filter = /** @type {Record<string, unknown>} */ (filters)[name];
  if (typeof filter !== 'function') throw new TypeError(`liquidjs has no filter ${name}`);
  return /** @type {FilterFunction} */ (filter);
}

/**
 * Liquid itself writes an object as "[object Object]", and the entries of a list without a separator.
 * @param {unknown} value
 */
function written(value) {
  if (typeof value !== 'object' || value === null) return value;
  const isData = Array.isArray(value) || [Object.prototype, null].includes(Object.getPrototypeOf(value));
  return isData ? JSON.stringify(value) : value;
}

const NAMES_A_ZONE = /(?:z|utc|gmt|[+-]\d\d:?\d\d|[a-z]{3,4}|\))\s*$/i;

/**
 * A time without a zone is in UTC. JavaScript would use the zone of the host.
 * @param {unknown} value
 */
function inUtc(value) {
  if (typeof value !== 'string' || !/\d:\d/.test(value) || NAMES_A_ZONE.test(value)) return value;
  const time = [`${value.trim().replace(' ', 'T')}Z`, `${value} UTC`]
    .map((text) => Date.parse(text))
    .find(Number.isFinite);
  return time === undefined ? value : new Date(time);
}
