export interface Registry {
  readonly path: string;
  readonly text: string;
}
export function registries(root: string): Promise<readonly Registry[]>;
