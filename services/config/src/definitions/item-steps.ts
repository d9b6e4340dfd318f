import { LIMITS } from '@batuta/contracts';
import { isRecord } from '@batuta/documents';
import type { Outline, StepOutline } from './outline.js';

/** The step that a map makes for each item, as if it stood in the place of the step with the map. */
export interface ItemStepOutline {
  /** The outline of the config with this step only. The other steps are found by their ids. */
  readonly outline: Outline;
  /** Converts a path of the step's place to its own. */
  readonly pathOf: (path: string) => string;
}

/** The schema reports these as unknown fields, so the rules need not say more. */
const NOT_FOR_ITEMS: ReadonlySet<string> = new Set([
  'approval',
  'choice',
  'signal',
  'wait',
  'repeat',
  'route',
  'compensate',
]);

function itemStepOf(step: StepOutline): StepOutline | undefined {
  const { map } = step.source;
  const inner = isRecord(map) ? map['step'] : undefined;
  if (!isRecord(inner)) return undefined;
  const { dependencies } = step;
  return {
    index: step.index,
    id: step.id,
    dependencies,
    outputKey: undefined,
    group: undefined,
    fallbackFor: step.fallbackFor,
    isFallback: step.isFallback,
    serves: step.serves,
    fallbackFlag: undefined,
    source: Object.fromEntries(Object.entries(inner).filter(([field]) => !NOT_FOR_ITEMS.has(field))),
  };
}

/** The steps that the maps of a config make for their items, also those of maps within maps. */
export function itemStepsOf(outline: Outline, depth = 0): ItemStepOutline[] {
  if (depth > LIMITS.executionDepth) return [];
  return outline.steps.flatMap((step): ItemStepOutline[] => {
    const inner = itemStepOf(step);
    if (inner === undefined) return [];
    const place = `/steps/${step.index}`;
    const pathOf = (path: string): string =>
      path === place || path.startsWith(`${place}/`) ? `${place}/map/step${path.slice(place.length)}` : path;
    const own = { ...outline, steps: [inner], declaredGroups: [], source: withoutOutput(outline) };
    return [
      { outline: own, pathOf },
      ...itemStepsOf(own, depth + 1).map((each) => ({
        outline: each.outline,
        pathOf: (path: string) => pathOf(each.pathOf(path)),
      })),
    ];
  });
}

/** The config's own mapping is checked once, with the config. */
function withoutOutput({ source }: Outline): Outline['source'] {
  const { output: _output, ...rest } = source;
  return rest;
}
