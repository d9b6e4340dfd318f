import type { GroupOutline, Outline, StepOutline } from './outline.js';

type OutputOwner = StepOutline | GroupOutline;

/** Following dependencies takes time. In a document where it would take too long, everything counts as visible. */
const MAX_VISITS = 5_000_000;

/** Which outputs the expressions of a step see: those of all steps that it depends on, directly or indirectly. */
export class VisibleOutputs {
  readonly #outline: Outline;
  #left = MAX_VISITS;
  #owners: Map<string, OutputOwner[]> | undefined;

  constructor(outline: Outline) {
    this.#outline = outline;
  }

  /** Steps and groups by their output key. A fallback's output has the key of the step that it serves. */
  get owners(): ReadonlyMap<string, readonly OutputOwner[]> {
    if (this.#owners !== undefined) return this.#owners;
    const owners = new Map<string, OutputOwner[]>();
    const add = (key: string | undefined, owner: OutputOwner): void => {
      if (key === undefined) return;
      const others = owners.get(key);
      if (others === undefined) owners.set(key, [owner]);
      else others.push(owner);
    };
    for (const step of this.#outline.steps) if (!step.isFallback) add(step.outputKey, step);
    for (const group of this.#outline.groupOf.values()) add(group.outputKey, group);
    this.#owners = owners;
    return owners;
  }

  /** Whether the expressions of `step` see an output with this key. */
  sees(step: StepOutline, key: string): boolean {
    for (const node of this.#seenBy(step)) if (node.outputKey === key) return true;
    return this.#left <= 0;
  }

  /** The keys of the outputs that the expressions of `step` see. */
  keysSeenBy(step: StepOutline): string[] {
    return [...this.#seenBy(step)].flatMap(({ outputKey }) => outputKey ?? []);
  }

  *#seenBy(step: StepOutline): Iterable<OutputOwner> {
    const seen = new Set<OutputOwner>(this.#above(step));
    for (const node of seen) {
      this.#left -= 1;
      if (this.#left <= 0) return;
      yield node;
      for (const next of 'members' in node ? node.members : this.#above(node)) seen.add(next);
    }
  }

  /** The dependencies of a step and, for a fallback, also those of the step that it serves. */
  #above(step: StepOutline): OutputOwner[] {
    const { stepOf, groupOf } = this.#outline;
    const named = ({ dependencies }: StepOutline): OutputOwner[] =>
      dependencies.flatMap(({ name }) => stepOf.get(name) ?? groupOf.get(name) ?? []);
    const found = named(step);
    const chain = new Set<StepOutline>([step]);
    for (let served = step.serves; served !== undefined;) {
      this.#left -= 1;
      const target = stepOf.get(served);
      if (target === undefined) found.push(...(groupOf.get(served)?.members ?? []).flatMap(named));
      else if (!chain.has(target)) found.push(...named(target));
      served = target === undefined || chain.has(target) || this.#left <= 0 ? undefined : target.serves;
      if (target !== undefined) chain.add(target);
    }
    return found;
  }
}
