export declare function namedClasses(source: string): string;
