export declare function serviceFiles(read: (file: string) => string): Record<string, string>;
