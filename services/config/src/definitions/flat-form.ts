import { unknownField } from '@batuta/contracts';
import type { Violation } from '@batuta/contracts';
import { isRecord } from '@batuta/documents';

type Source = Readonly<Record<string, unknown>>;

/** A document in the flat form, which is validated and stored. */
interface FlatForm {
  readonly document: unknown;
  /** Converts a JSON Pointer in the flat form to one in the document that was sent. */
  readonly pathOf: (path: string) => string;
  /** Mistakes of the nested form itself, with paths in the document that was sent. */
  readonly mistakes: readonly Violation[];
}

/** Fields that the nested form has inside `steps`. */
const INNER = ['steps', 'settings'] as const;

/** Whether a config has the nested form: `"steps": {"steps": […], "settings": {…}}`. */
function isNested(document: unknown): document is Source & { readonly steps: Source } {
  return isRecord(document) && isRecord(document['steps']);
}

/**
 * Converts a config, or a merge patch of one, to the flat form: `steps` and `settings` of a nested one move up. Users
 * of the nested form expect merged inputs, so a whole config gets them by default. A patch changes only the fields that
 * it names.
 */
export function flatForm(sent: unknown, kind: 'config' | 'patch' = 'config'): FlatForm {
  if (!isNested(sent)) return { document: sent, pathOf: (path) => path, mistakes: [] };
  const { steps: inner, ...outer } = sent;
  const { steps, settings, ...unknown } = inner;
  const mistakes: Violation[] = Object.keys(unknown).map((name) => unknownField('/steps', name, INNER));
  const own = isRecord(settings) ? settings : {};
  const document: Record<string, unknown> = { ...outer };
  if (steps !== undefined) document['steps'] = steps;
  if (settings !== undefined) document['settings'] = settings;
  if (kind === 'config' && (settings === undefined || settings === null || isRecord(settings))) {
    document['settings'] = { ...own, default_input: own['default_input'] ?? 'merged' };
  }
  if ((outer['settings'] ?? null) !== null) {
    const message = 'stands in "steps" of a nested config; give settings in one place only';
    mistakes.push({ path: '/settings', code: 'contradiction', message });
  }
  const pathOf = (path: string): string =>
    INNER.some((name) => path === `/${name}` || path.startsWith(`/${name}/`)) ? `/steps${path}` : path;
  return { document, pathOf, mistakes };
}
