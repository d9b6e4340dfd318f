export declare const services: readonly string[];
export declare const stopOrder: readonly string[];
export declare const ownProcess: readonly string[];
export declare function pascal(name: string): string;
export declare function portVariable(name: string): string;
export declare function packagesIn(folder: string): string[];
