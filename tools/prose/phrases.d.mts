export interface BannedPhrase {
  readonly pattern: RegExp;
  readonly example: string;
  readonly advice: string;
}
export declare const BANNED_PHRASES: readonly BannedPhrase[];
export declare function findPhrases(text: string): { line: number; phrase: string; advice: string }[];
export declare function findPhrasesOfRepository(root: string): string[];
