import type { Outline, StepOutline } from './outline.js';

/** What a fallback serves in the end: a step, or a consensus group by its id. */
type Main = { readonly step: StepOutline } | { readonly group: string };

/**
 * The chains of fallbacks: which step serves which, over any number of links. Building and queries take linear time.
 */
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

  /**
   * The main step or group of the step's chain. Undefined when the chain is a cycle or ends at a name that does not
   * exist.
   */
  mainOf(step: StepOutline): Main | undefined {
    return this.#main.get(step);
  }

  /** Whether `step` is a fallback for the step or group of this name, directly or through a chain. */
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
    // The numbers of entering and leaving nest like the fallbacks. An explicit stack, because a chain may have
    // thousands of links.
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
