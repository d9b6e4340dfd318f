import { isRecord } from '@batuta/documents';
import type { Report } from '@batuta/documents';
import type { Outline, StepOutline } from './outline.js';
import type { TextUse } from './rules.js';
import { VisibleOutputs } from './visible-outputs.js';

/** The names that the sandbox found in an expression. */
interface ExpressionReferences {
  readonly paths: readonly (readonly string[])[];
  readonly unknown: readonly string[];
}

const ROOTS = ['input', 'outputs', 'execution'];
/** What else some expressions see. */
const MORE_ROOTS: Readonly<Partial<Record<TextUse['sees'], readonly string[]>>> = {
  compensation: ['output'],
  call: ['call'],
  loop: ['iteration', 'result', 'results'],
};
/** What the step of an item sees besides. */
const ITEM_ROOTS = ['item', 'index'];
/** The key of an execution's place is known before any step runs. */
const KEY_ROOTS = ['input', 'session_id', 'user_id'];
const CALL_FIELDS = ['tool', 'input'];
const EXECUTION_FIELDS = ['id', 'name'];
const PLAIN_NAME = /^[A-Za-z_]\w*$/;

/** Users may write names of any length, but messages must stay short. */
function shown(name: string): string {
  return name.length > 128 ? `${name.slice(0, 128)}…` : name;
}

/** A path in JSONata's notation. */
function written(...names: readonly string[]): string {
  return names.map((name) => (PLAIN_NAME.test(name) ? shown(name) : `\`${shown(name)}\``)).join('.');
}

/** Finds names in expressions that can never have a value. Skips names that only a run can decide. */
export class ReferenceCheck {
  readonly #outline: Outline;
  readonly #report: Report;
  readonly #visible: VisibleOutputs;
  readonly #schema: unknown;

  constructor(outline: Outline, report: Report) {
    this.#outline = outline;
    this.#report = report;
    this.#visible = new VisibleOutputs(outline);
    this.#schema = outline.source['input_schema'];
  }

  check(use: TextUse, { paths, unknown }: ExpressionReferences): void {
    for (const name of unknown) this.#unknownVariable(use, name);
    // A vote or a score reads a member's output, which may contain anything.
    if (use.sees === 'member') return;
    const roots =
      use.sees === 'key'
        ? KEY_ROOTS
        : [...ROOTS, ...(MORE_ROOTS[use.sees] ?? []), ...(use.ofItem === true ? ITEM_ROOTS : [])];
    const told = new Set<string>();
    for (const path of paths) {
      const message = this.#mistake(use, path, roots);
      if (message === undefined || told.has(message.text)) continue;
      told.add(message.text);
      this.#report.add(use.path, message.code, message.text);
    }
  }

  #unknownVariable(use: TextUse, name: string): void {
    const root = this.#report.suggestions.nearest(name, use.sees === 'key' ? KEY_ROOTS : ROOTS);
    const hint = root === undefined ? '' : `; did you mean "${root}", without a $?`;
    this.#report.add(
      use.path,
      'unknown_reference',
      `"$${shown(name)}" is no function of JSONata, and the expression does not define it${hint}`,
    );
  }

  #mistake(
    use: TextUse,
    [root = '', ...names]: readonly string[],
    roots: readonly string[],
  ): { readonly code: string; readonly text: string } | undefined {
    const [first] = names;
    if (!roots.includes(root)) {
      return {
        code: 'unknown_reference',
        text: `there is no "${shown(root)}" here: an expression sees ${listed(roots)}${this.#report.suggestions.for(root, roots)}`,
      };
    }
    if (first === undefined) return undefined;
    if (root === 'outputs') return this.#missingOutput(use, first);
    if (root === 'execution' && !EXECUTION_FIELDS.includes(first)) {
      const hint = this.#report.suggestions.for(first, EXECUTION_FIELDS);
      return {
        code: 'unknown_reference',
        text: `there is no ${written(root, first)}: an execution shows ${listed(EXECUTION_FIELDS)}${hint}`,
      };
    }
    if (root === 'call' && !CALL_FIELDS.includes(first)) {
      const hint = this.#report.suggestions.for(first, CALL_FIELDS);
      return {
        code: 'unknown_reference',
        text: `there is no ${written(root, first)}: a call shows ${listed(CALL_FIELDS)}${hint}`,
      };
    }
    return root === 'input' ? this.#forbiddenInput(names) : undefined;
  }

  #missingOutput({ step, sees }: TextUse, key: string): { readonly code: string; readonly text: string } | undefined {
    const { owners } = this.#visible;
    const [owner] = owners.get(key) ?? [];
    if (sees === 'compensation' && key === step?.outputKey) return undefined;
    // The config's output sees every step and group.
    if (step === undefined ? owner !== undefined : this.#visible.sees(step, key)) return undefined;
    if (step !== undefined && owner !== undefined) {
      const why =
        owner === step
          ? `is what this step itself gives, after it has run${sees === 'loop' ? '; what its last iteration gave is result' : ''}`
          : `is given by "${owner.id ?? ''}", which "${step.id ?? ''}" does not depend on; add it to the dependencies`;
      return { code: 'not_a_dependency', text: `${written('outputs', key)} ${why}` };
    }
    return {
      code: 'unknown_reference',
      text: `no output stands under ${written('outputs', key)}${this.#outputMeant(step, key)}`,
    };
  }

  /** Which output was probably meant: users confuse ids with keys, and an unquoted "-" subtracts. */
  #outputMeant(step: StepOutline | undefined, key: string): string {
    const named = this.#outline.stepOf.get(key);
    if (named !== undefined && named.isFallback) {
      return `: "${shown(key)}" is a fallback, whose output stands under the key of what it serves`;
    }
    if (named?.outputKey !== undefined) {
      return `: the output of "${key}" stands under its output_key, ${written('outputs', named.outputKey)}`;
    }
    const group = this.#outline.groupOf.get(key);
    if (group !== undefined) {
      return `: the output of "${key}" stands under its output_key, ${written('outputs', group.outputKey)}`;
    }
    const keys = [...this.#visible.owners.keys()];
    const visible = step === undefined ? keys : this.#visible.keysSeenBy(step);
    const cut = visible.find((each) => each.startsWith(`${key}-`));
    const near = cut ?? this.#report.suggestions.nearest(key, visible) ?? this.#report.suggestions.nearest(key, keys);
    return near === undefined ? '' : `; did you mean ${written('outputs', near)}?`;
  }

  /** A name in the execution's input that the config's input_schema forbids. */
  #forbiddenInput(names: readonly string[]): { readonly code: string; readonly text: string } | undefined {
    let schema = this.#schema;
    for (const [depth, name] of names.entries()) {
      schema = ofItems(schema);
      if (!isRecord(schema)) return undefined;
      const { properties, patternProperties } = schema;
      const known = isRecord(properties) && Object.hasOwn(properties, name);
      if (!known && forbidsOthers(schema) && patternProperties === undefined) {
        const hint = this.#report.suggestions.for(name, isRecord(properties) ? Object.keys(properties) : []);
        const path = written('input', ...names.slice(0, depth + 1));
        return { code: 'unknown_reference', text: `there is no ${path}: input_schema does not allow it${hint}` };
      }
      schema = known ? properties[name] : undefined;
    }
    return undefined;
  }
}

/** JSONata reads a field of a list from each of its items. */
function ofItems(schema: unknown): unknown {
  let items = schema;
  for (let depth = 0; depth < 8 && isRecord(items) && items['type'] === 'array'; depth += 1) {
    items = items['prefixItems'] === undefined ? items['items'] : undefined;
  }
  return items;
}

/** Whether an object that fits the schema can only have its `properties`. */
function forbidsOthers(schema: Readonly<Record<string, unknown>>): boolean {
  return schema['additionalProperties'] === false && (schema['type'] === undefined || schema['type'] === 'object');
}

function listed(names: readonly string[]): string {
  return `${names.slice(0, -1).join(', ')} and ${names.at(-1) ?? ''}`;
}
