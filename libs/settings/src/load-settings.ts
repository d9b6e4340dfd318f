import type { Field } from './fields.js';

export type SettingsSchema = Readonly<Record<string, Field<unknown>>>;

/** The values of a schema, each with the type of its field. */
export type SettingsOf<S extends SettingsSchema> = {
  readonly [K in keyof S]: S[K] extends Field<infer T> ? T : never;
};

/** A mistake: the variables and what was expected of them. Never contains a value. */
export interface SettingsProblem {
  readonly variables: readonly string[];
  readonly expected: string;
}

/** All mistakes in the environment, by the names of the variables. */
export class SettingsError extends Error {
  override readonly name = 'SettingsError';
  /** A program shows the message without a stack trace (see `mistakeOf` of @batuta/program). */
  readonly mistake = true;

  constructor(readonly problems: readonly SettingsProblem[]) {
    const lines = problems.map(({ variables, expected }) => `  ${variables.join(', ')} ${expected}`);
    super(`${problems.length === 1 ? 'A setting is' : 'Settings are'} wrong:\n${lines.join('\n')}`);
  }
}

/**
 * Reads the settings of a schema from environment variables and freezes them.
 *
 * `check` returns contradictions between settings; it runs only when every field is correct. Throws a `SettingsError`
 * that names each wrong variable and what it must be, but no value.
 *
 *     const settings = loadSettings({ port: integer({ env: 'BATUTA_HTTP_PORT', default: 3000, min: 0, max: 65535 }) });
 */
export function loadSettings<const S extends SettingsSchema>(
  schema: S,
  env: Readonly<Record<string, string | undefined>> = process.env,
  check: (settings: SettingsOf<S>) => readonly SettingsProblem[] = () => [],
): SettingsOf<S> {
  const problems: SettingsProblem[] = [];
  const values: [string, unknown][] = [];
  for (const [name, field] of Object.entries(schema)) {
    const reading = field.read(env[field.env]);
    if (reading.ok) {
      values.push([name, reading.value]);
    } else {
      problems.push({ variables: [field.env], expected: reading.expected });
    }
  }
  if (problems.length > 0) throw new SettingsError(problems);
  const settings = Object.freeze(Object.fromEntries(values)) as SettingsOf<S>;
  const contradictions = check(settings);
  if (contradictions.length > 0) throw new SettingsError(contradictions);
  return settings;
}
