/** One deliberate fault: a change of sources, and the seed that finds it. */
export interface Fault {
  readonly name: string;
  readonly what: string;
  readonly seed: number;
  readonly patches: readonly { readonly file: string; readonly from: string; readonly to: string }[];
}

declare const faults: readonly Fault[];
export { faults };
