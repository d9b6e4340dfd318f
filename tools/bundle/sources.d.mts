export interface Source {
  readonly from: string;
  readonly to: string;
}
export function sources(root: string): readonly Source[];
export function isOutdated(source: Source): boolean;
