import type { CompiledConfig, Unit } from './compiled.js';

/**
 * Nodes whose outputs a unit sees: those that it names and, for an alternative, those that the unit that it serves sees. The
 * alternative does not wait for the latter itself: they were done before the unit that it serves had its turn.
 */
export function seenNodes({ units, groups }: CompiledConfig, unit: Unit): readonly number[] {
  if (unit.fallbackFor === -1) {
    return unit.dependencies;
  }
  const chain = new Set([unit.index]);
  for (let node = unit.fallbackFor; node !== -1 && !chain.has(node); node = units[node]?.fallbackFor ?? -1) {
    chain.add(node);
  }
  const seen = new Set<number>();
  for (const node of [...chain].toReversed()) {
    const members = groups[node - units.length]?.members ?? [node];
    for (const member of members) {
      for (const dependency of units[member]?.dependencies ?? []) {
        seen.add(dependency);
      }
    }
  }
  return [...seen];
}
