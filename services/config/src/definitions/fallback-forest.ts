import type { Outline, StepOutline } from './outline.js';

/** What an alternative serves in the end: a step, or a consensus group by its id. */
export type Main = { readonly step: StepOutline } | { readonly group: string };

/** The chains of alternatives: who stands in for whom, over any number of links. Built and asked in linear time. */
export class FallbackForest {
  readonly #enter = new Map<StepOutline, number>();
  readonly #leave = new Map<StepOutline, number>();
  readonly #main = new Map<StepOutline, Main>();
  readonly #outline: Outline;

  constructor(outline: Outline) {
    this.#outline = outline;
    const alternatives = new Map<string, StepOutline[]>();
    for (const step of outline.steps) {
      if (step.serves === undefined) continue;
      const siblings = alternatives.get(step.serves);
      if (siblings === undefined) alternatives.set(step.serves, [step]);
      else siblings.push(step);
    }
    const childrenOf = (step: StepOutline): readonly StepOutline[] =>
      step.id === undefined || outline.stepOf.get(step.id) !== step ? [] : (alternatives.get(step.id) ?? []);
    for (const step of outline.steps) {
      if (step.serves === undefined) this.#number(step, { step }, childrenOf);
    }
    for (const group of outline.groupOf.keys()) {
      if (outline.stepOf.has(group)) continue;
      for (const step of alternatives.get(group) ?? []) this.#number(step, { group }, childrenOf);
    }
  }

  /** What the step's chain leads to; undefined when the chain is a ring or ends at a name that does not exist. */
  mainOf(step: StepOutline): Main | undefined {
    return this.#main.get(step);
  }

  /** Whether `step` is an alternative of what has this name, directly or over a chain. */
  serves(step: StepOutline, name: string): boolean {
    const main = this.#main.get(step);
    if (step.serves === undefined || main === undefined) return false;
    const target = this.#outline.stepOf.get(name);
    if (target === undefined) return 'group' in main && main.group === name;
    const entered = this.#enter.get(step) ?? -1;
    const from = this.#enter.get(target) ?? Infinity;
    return target !== step && from < entered && entered < (this.#leave.get(target) ?? -1);
  }

  #number(root: StepOutline, main: Main, childrenOf: (step: StepOutline) => readonly StepOutline[]): void {
    // Numbers of entering and leaving nest as the alternatives do; explicit stack, as a chain may be thousands long.
    const pending: { step: StepOutline; leaving: boolean }[] = [{ step: root, leaving: false }];
    for (let visit = pending.pop(); visit !== undefined; visit = pending.pop()) {
      const { step, leaving } = visit;
      const now = this.#enter.size + this.#leave.size;
      if (leaving) {
        this.#leave.set(step, now);
        continue;
      }
      this.#enter.set(step, now);
      this.#main.set(step, main);
      pending.push({ step, leaving: true });
      for (const child of childrenOf(step)) pending.push({ step: child, leaving: false });
    }
  }
}
