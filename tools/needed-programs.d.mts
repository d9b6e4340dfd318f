export interface NeededOptions {
  readonly path?: string;
  readonly mayInstall?: boolean;
  readonly install?: (packages: readonly string[]) => unknown;
}
export declare function wholePath(path?: string): string;
export declare function installNeeded(options?: NeededOptions): { readonly program: string; readonly advice: string }[];
