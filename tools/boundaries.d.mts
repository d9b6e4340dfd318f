export declare const mayImport: Readonly<Record<string, readonly string[]>>;
export declare function countSpecFiles(root: string, kind: 'unit' | 'prop' | 'int' | 'e2e' | 'chaos'): number;
export declare function findProblems(root: string): string[];
