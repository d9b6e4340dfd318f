import { closestMatch } from 'leven';

/** Comparing takes time, so a document with many mistakes gets no suggestions for its later ones. */
const MAX_COMPARED = 200_000;

/** Finds names that the author may have meant, for one document. */
export class Suggestions {
  #left = MAX_COMPARED;

  /** `; did you mean "…"?`, or an empty text when no candidate is similar. */
  for(name: string, candidates: Iterable<string>): string {
    const near = this.nearest(name, candidates);
    return near === undefined ? '' : `; did you mean "${near}"?`;
  }

  nearest(name: string, candidates: Iterable<string>): string | undefined {
    // A third of the letters may differ, but at least one letter.
    const furthest = Math.max(1, Math.floor(name.length / 3));
    const letters = lettersOf(name);
    const some: string[] = [];
    for (const candidate of candidates) {
      if (this.#left <= 0) return undefined;
      this.#left -= 1;
      // For example `timeout` for `timeout_ms`.
      if (lettersOf(candidate) === letters || candidate.startsWith(`${name}_`)) return candidate;
      if (Math.abs(candidate.length - name.length) <= furthest) some.push(candidate);
    }
    return closestMatch(name, some, { maxDistance: furthest });
  }
}

/** Equal for names that differ only in the order or the case of their letters. */
function lettersOf(name: string): string {
  return Array.from(name.toLowerCase()).toSorted().join('');
}
