/** One deliberate fault: a change of sources, and the seed that finds it, undefined when none is known. */
export interface Fault {
  readonly name: string;
  readonly what: string;
  readonly seed: number | undefined;
  readonly patches: readonly { readonly file: string; readonly from: string; readonly to: string }[];
}

declare const faults: readonly Fault[];
export { faults };
