import {
  LIMITS,
  type MapDefinition,
  type MapResults,
  type OnParentClose,
  type StepDefinition,
} from '@batuta/contracts';
import { parseTemplate, type Template } from '../../expressions/expressions.js';
import type { Unit } from '../../graph/compiled.js';

/** Chunks of one step that run at once, at most. Each of them has a lane. */
const MOST_LANES = 10;

export interface MapRules {
  readonly maxItems: number;
  readonly maxConcurrency: number;
  readonly tolerated: number | string;
  readonly results: MapResults;
  readonly onParentClose: OnParentClose;
  readonly definition: MapDefinition;
}

export function compileMap({ map }: StepDefinition): MapRules | undefined {
  if (map === undefined) {
    return undefined;
  }
  return {
    maxItems: map.max_items || LIMITS.mapItems,
    maxConcurrency: map.max_concurrency || LIMITS.mapConcurrency,
    tolerated: map.tolerated_failures ?? 0,
    results: map.results || 'list',
    onParentClose: map.on_parent_close || 'cancel',
    definition: map,
  };
}

export function mapMapping({ map }: StepDefinition): Template | undefined {
  return map === undefined ? undefined : parseTemplate(map.items ?? null);
}

/** The rules of a step with a map. Undefined for any other step. */
export function mapOf({ work }: Pick<Unit, 'work'>): MapRules | undefined {
  return work.kind === 'map' ? work.rules : undefined;
}

export function laneCount({ maxConcurrency }: MapRules): number {
  return Math.min(MOST_LANES, maxConcurrency);
}

/** How many of some items may fail. */
export function toleratedOf({ tolerated }: MapRules, total: number): number {
  return typeof tolerated === 'number' ? tolerated : Math.floor((total * Number.parseFloat(tolerated)) / 100);
}

/** How many items a lane works on at once. All lanes in use together work on `maxConcurrency`. */
export function laneConcurrency({ maxConcurrency }: MapRules, chunks: number, lane: number): number {
  const used = Math.max(1, Math.min(MOST_LANES, maxConcurrency, chunks));
  return Math.floor(maxConcurrency / used) + (lane < maxConcurrency % used ? 1 : 0);
}
