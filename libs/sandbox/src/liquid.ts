import { filters, Liquid } from 'liquidjs';
import type { FilterImplOptions } from 'liquidjs';

export interface LiquidLimits {
  /** Characters of a template. */
  readonly characters: number;
  readonly renderMs: number;
  /** Characters and elements that a template makes. */
  readonly memoryUnits: number;
}

type FilterFunction = Extract<FilterImplOptions, (...args: never[]) => unknown>;
type FilterThis = ThisParameterType<FilterFunction>;

/** Tags that name other templates. */
const TAGS_OF_FILES = ['include', 'render', 'layout', 'block'];
const DATE_FILTERS = ['date', 'date_to_xmlschema', 'date_to_rfc822', 'date_to_string', 'date_to_long_string'];

/**
 * An engine for users' Liquid templates: no files, no inherited properties, limits on size, time and memory. A template gives
 * the same text on every host: times are in UTC and names of months in English unless the template says otherwise. Objects
 * and lists are written as JSON. With `html`, what is written is escaped.
 */
export function liquidEngine(
  { characters, renderMs, memoryUnits }: LiquidLimits,
  as: 'text' | 'html' = 'text',
): Liquid {
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
    outputEscape(this: FilterThis, value: unknown) {
      return as === 'html' ? escape.call(this, written(value)) : written(value);
    },
  });
  for (const tag of TAGS_OF_FILES) delete liquid.tags[tag];
  for (const name of DATE_FILTERS) {
    const filter = functionOf(name);
    liquid.registerFilter(name, function (value: unknown, ...rest: unknown[]) {
      return filter.call(this, inUtc(value), ...rest) as unknown;
    });
  }
  return liquid;
}

function functionOf(name: string): FilterFunction {
  const filter = filters[name as keyof typeof filters] as FilterImplOptions | undefined;
  if (typeof filter !== 'function') throw new TypeError(`liquidjs has no filter ${name}`);
  return filter as FilterFunction;
}

/** Liquid itself writes objects as "[object Object]" and runs the entries of a list together. */
function written(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value;
  const isData =
    Array.isArray(value) || [Object.prototype, null].includes(Object.getPrototypeOf(value) as object | null);
  return isData ? JSON.stringify(value) : value;
}

const NAMES_A_ZONE = /(?:z|utc|gmt|[+-]\d\d:?\d\d|[a-z]{3,4}|\))\s*$/i;

/** A time that names no zone is in UTC. JavaScript would take the host's. */
function inUtc(value: unknown): unknown {
  if (typeof value !== 'string' || !/\d:\d/.test(value) || NAMES_A_ZONE.test(value)) return value;
  const time = [`${value.trim().replace(' ', 'T')}Z`, `${value} UTC`]
    .map((text) => Date.parse(text))
    .find(Number.isFinite);
  return time === undefined ? value : new Date(time);
}
