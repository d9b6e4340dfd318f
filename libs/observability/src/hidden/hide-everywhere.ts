import { dropForms, keepForms } from './forms.js';
import { HiddenValues } from './hidden-values.js';

/** Values that no log line and no span of this process may hold now, with how many hold on to each. */
const inUse = new Map<string, number>();
/** What hides them. It may hide some that nobody holds on to any more. */
interface Hiding {
  readonly sets: readonly HiddenValues[];
  readonly values: Set<string>;
  readonly all: Pick<HiddenValues, 'text' | 'json'>;
}
let hiding: Hiding | undefined;
/** Values that nothing hides yet. */
const fresh = new Set<string>();
/** New values are searched for in sets of their own. With this many sets, all values are put into one. */
const MOST_SETS = 8;

/** Keeps values out of log lines and spans of this process until the returned function is called. */
export function hideEverywhere(values: Iterable<string>): () => void {
  const own = [...new Set(values)];
  for (const value of own) {
    const users = inUse.get(value) ?? 0;
    inUse.set(value, users + 1);
    if (users > 0) continue;
    keepForms(value);
    if (hiding?.values.has(value) !== true) fresh.add(value);
  }
  let held = true;
  return () => {
    if (!held) return;
    held = false;
    for (const value of own) {
      const users = inUse.get(value) ?? 0;
      if (users > 1) {
        inUse.set(value, users - 1);
        continue;
      }
      inUse.delete(value);
      dropForms(value);
      fresh.delete(value);
    }
    if (inUse.size === 0) hiding = undefined;
  };
}

/**
 * What hides the values from log lines and spans now; undefined when there are none. Attempts come and go many times a
 * second, so new values are added, and only sometimes are all of them put into one set.
 */
export function hiddenNow(): Pick<HiddenValues, 'text' | 'json'> | undefined {
  if (inUse.size === 0) return undefined;
  if (hiding !== undefined && fresh.size === 0) return hiding.all;
  const isStale = hiding === undefined || hiding.values.size > 2 * inUse.size + 16;
  if (hiding === undefined || isStale || hiding.sets.length >= MOST_SETS) {
    hiding = hidingOf([new HiddenValues(inUse.keys())], new Set(inUse.keys()));
  } else {
    for (const value of fresh) hiding.values.add(value);
    hiding = hidingOf([...hiding.sets, new HiddenValues(fresh)], hiding.values);
  }
  fresh.clear();
  return hiding.all;
}

const hidingOf = (sets: readonly HiddenValues[], values: Set<string>): Hiding => ({
  sets,
  values,
  all: {
    text: (text) => sets.reduce((shown, set) => set.text(shown), text),
    json: (value) => sets.reduce((shown, set) => set.json(shown), value),
  },
});
