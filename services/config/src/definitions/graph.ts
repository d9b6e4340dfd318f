import type { Report } from '@batuta/documents';
import type { FallbackForest } from './fallback-forest.js';
import type { Outline, StepOutline } from './outline.js';

/**
 * Strongly connected components with more than one node: Tarjan's algorithm with its recursion unrolled, O(nodes + edges).
 * Source: R. Tarjan, Depth-first search and linear graph algorithms, SIAM J. Comput. 1(2), 1972.
 */
function entangled(edges: readonly (readonly number[])[]): number[][] {
  const order = new Int32Array(edges.length).fill(-1);
  const low = new Int32Array(edges.length);
  const onStack = new Uint8Array(edges.length);
  const stack: number[] = [];
  const components: number[][] = [];
  let visited = 0;
  for (let root = 0; root < edges.length; root += 1) {
    if (order[root] !== -1) continue;
    const path: { node: number; next: number }[] = [];
    const enter = (node: number): void => {
      order[node] = low[node] = visited;
      visited += 1;
      stack.push(node);
      onStack[node] = 1;
      path.push({ node, next: 0 });
    };
    enter(root);
    for (let frame = path.at(-1); frame !== undefined; frame = path.at(-1)) {
      const { node } = frame;
      const target = edges[node]?.[frame.next];
      if (target !== undefined) {
        frame.next += 1;
        if (order[target] === -1) enter(target);
        else if (onStack[target] === 1) low[node] = Math.min(low[node] ?? 0, order[target] ?? 0);
        continue;
      }
      path.pop();
      const parent = path.at(-1);
      if (parent !== undefined) low[parent.node] = Math.min(low[parent.node] ?? 0, low[node] ?? 0);
      if (low[node] !== order[node]) continue;
      const component: number[] = [];
      for (let member = stack.pop(); member !== undefined; member = stack.pop()) {
        onStack[member] = 0;
        component.push(member);
        if (member === node) break;
      }
      if (component.length > 1) components.push(component);
    }
  }
  return components;
}

/** One cycle inside a component, in which each node waits for the next. It begins with its smallest node. */
function cycleIn(component: readonly number[], edges: readonly (readonly number[])[]): number[] {
  const inside = new Set(component);
  const position = new Map<number, number>();
  const walk: number[] = [];
  let node = component[0] ?? 0;
  while (!position.has(node)) {
    position.set(node, walk.length);
    walk.push(node);
    node = edges[node]?.find((target) => inside.has(target)) ?? node;
  }
  const cycle = walk.slice(position.get(node));
  const smallest = cycle.indexOf(cycle.reduce((least, current) => Math.min(least, current)));
  return [...cycle.slice(smallest), ...cycle.slice(0, smallest)];
}

const MAX_CYCLE_NAMES = 50;

/**
 * Reports steps that wait for each other, one cycle for each component, in order. A step waits for its dependencies and
 * its fallbacks. The members of a group start together, so each waits for the dependencies of all members.
 */
export function reportCycles(outline: Outline, forest: FallbackForest, report: Report): void {
  const { steps, stepOf, groupOf } = outline;
  const groups = [...groupOf.values()];
  const nodes = new Map<StepOutline, number>(steps.map((step, node) => [step, node]));
  const startOf = new Map(groups.map((group, index) => [group.id, steps.length + index * 2]));
  const names = [...steps.map((step) => step.id ?? ''), ...groups.flatMap((group) => [group.id, group.id])];
  const edges: number[][] = names.map(() => []);

  const doneNode = (name: string): number | undefined => {
    const step = stepOf.get(name);
    if (step !== undefined) return nodes.get(step);
    const start = startOf.get(name);
    return start === undefined ? undefined : start + 1;
  };
  for (const [node, step] of steps.entries()) {
    const start = step.group === undefined || step.isFallback ? undefined : startOf.get(step.group);
    if (start !== undefined) {
      edges[node]?.push(start);
      edges[start + 1]?.push(node);
    }
    for (const { name } of step.dependencies) {
      const target = doneNode(name);
      if (target === undefined || target === node || forest.serves(step, name)) continue;
      // The rules of groups report members that depend on each other.
      if (start !== undefined && stepOf.get(name)?.group === step.group) continue;
      edges[start ?? node]?.push(target);
    }
    const main = step.serves === undefined ? undefined : doneNode(step.serves);
    if (main !== undefined && forest.mainOf(step) !== undefined) edges[main]?.push(node);
  }
  for (const component of entangled(edges)) {
    const cycle = cycleIn(component, edges);
    const visible = cycle.map((node) => names[node] ?? '').filter((name, index, all) => name !== all[index - 1]);
    const shown = visible.length > MAX_CYCLE_NAMES ? [...visible.slice(0, MAX_CYCLE_NAMES), '…'] : visible;
    const first = steps[cycle[0] ?? 0];
    report.add(
      first === undefined ? '/consensus_groups' : `/steps/${first.index}/dependencies`,
      'cycle',
      `these wait for each other: ${[...shown, shown[0]].join(' → ')} (each waits for the next)`,
    );
  }
}

/** Reports fallbacks that serve each other, each cycle once. O(steps). */
export function reportFallbackCycles(outline: Outline, report: Report): void {
  const state = new Map<StepOutline, 'walking' | 'done'>();
  for (const start of outline.steps) {
    const walk: StepOutline[] = [];
    let step: StepOutline | undefined = start;
    while (step !== undefined && !state.has(step)) {
      state.set(step, 'walking');
      walk.push(step);
      step = step.fallbackFor === undefined ? undefined : outline.stepOf.get(step.fallbackFor);
    }
    if (step !== undefined && state.get(step) === 'walking' && step.fallbackFor !== step.id) {
      const ring = walk.slice(walk.indexOf(step)).map(({ id }) => id ?? '');
      const shown = ring.length > MAX_CYCLE_NAMES ? [...ring.slice(0, MAX_CYCLE_NAMES), '…'] : ring;
      report.add(
        `/steps/${step.index}/fallback_for`,
        'fallback_cycle',
        `these stand in for each other: ${[...shown, shown[0]].join(' → ')}`,
      );
    }
    for (const visited of walk) state.set(visited, 'done');
  }
}
