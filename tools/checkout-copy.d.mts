export declare function copySources(root: string, prefix: string): string;
export declare function linkPackages(root: string, copy: string): void;
