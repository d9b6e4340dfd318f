import type { JsonValue, Violation } from '@batuta/contracts';
import { WorkerPool } from './worker-pool.js';
import type { JobOutcome } from './worker-thread.js';

/** Why something in the sandbox gave no value. `position` is the zero-based offset in the expression's text. */
export interface SandboxFailure {
  readonly code:
    | 'time_limit'
    | 'memory_limit'
    | 'syntax_error'
    | 'evaluation_error'
    | 'result_too_large'
    | 'schema_invalid'
    | 'sandbox_failed';
  readonly message: string;
  readonly position?: number;
  readonly token?: string;
}

/** `total` counts every violation found; `violations` holds the first `maxViolations` of them. */
export type Validation =
  | { readonly ok: true; readonly violations: readonly Violation[]; readonly total: number }
  | { readonly ok: false; readonly failure: SandboxFailure };

/** `value` is undefined when the expression selected nothing. */
export type Evaluation =
  | { readonly ok: true; readonly value: JsonValue | undefined }
  | { readonly ok: false; readonly failure: SandboxFailure };

export type Rendering =
  { readonly ok: true; readonly text: string } | { readonly ok: false; readonly failure: SandboxFailure };

/** What an expression reads, or what is wrong with its syntax. */
export type ExpressionReading =
  | {
      readonly ok: true;
      /** Field names from the root, of each path that is certain without running the expression; the first 16 of each. */
      readonly paths: readonly (readonly string[])[];
      /** Variables and functions, without their `$`, that neither the expression nor JSONata defines. */
      readonly unknown: readonly string[];
    }
  | { readonly ok: false; readonly failure: SandboxFailure };

export interface SandboxOptions {
  /** Threads for schemas, as many for expressions and as many for templates; each starts when first needed. Default 2. */
  readonly threads?: number;
  /** Heap of one thread, MiB; default 64. */
  readonly memoryMb?: number;
  /** Jobs of one tenant that may wait for a thread of a kind; default 1000. */
  readonly maxQueued?: number;
  /** Milliseconds that a job may wait for a thread; default 10000. */
  readonly maxWaitMs?: number;
}

export interface ValidateJsonRequest {
  /** Whose turn it takes: tenants whose jobs wait take turns. */
  readonly tenantId?: string;
  /** JSON Schema, draft 2020-12. */
  readonly schema: unknown;
  readonly value: unknown;
  /** Milliseconds; default 1000. */
  readonly timeoutMs?: number;
  /** Violations that are returned; default 100. */
  readonly maxViolations?: number;
}

export interface EvaluateRequest {
  /** Whose turn it takes: tenants whose jobs wait take turns. */
  readonly tenantId?: string;
  /** JSONata, without the marks `{%` and `%}`. */
  readonly expression: string;
  /** What `$` is. */
  readonly context: unknown;
  /** Milliseconds; default 100. */
  readonly timeoutMs?: number;
  /** UTF-8 bytes of the result as JSON; default 256 KiB. */
  readonly resultBytes?: number;
}

export interface RenderTemplateRequest {
  /** Whose turn it takes: tenants whose jobs wait take turns. */
  readonly tenantId?: string;
  /** Liquid, at most 100,000 characters. */
  readonly template: string;
  /** What the template's names stand for. */
  readonly values: unknown;
  /** Values stand in `html` escaped and in `text` as they are; default `text`. */
  readonly format?: 'text' | 'html';
  /** Milliseconds; default 500. */
  readonly timeoutMs?: number;
  /** Characters of the text; default 1 Mi. */
  readonly maxCharacters?: number;
}

/**
 * Runs users' JSON Schemas, patterns, JSONata expressions and Liquid templates in threads that are ended when they pass a limit of CPU time
 * or memory, so that the caller's thread is never blocked. Patterns run in linear time (RE2).
 *
 * Expected outcomes are values; methods reject with `SandboxBusyError` when too much waits, `SandboxClosedError` after
 * `close()`. Values must be JSON: they travel as text.
 *
 *     const sandbox = new Sandbox({ threads: 1 });
 *     const outcome = await sandbox.evaluate({ expression: 'a + 1', context: { a: 1 } }); // { ok: true, value: 2 }
 */
export class Sandbox {
  readonly #schemas: WorkerPool;
  readonly #expressions: WorkerPool;
  readonly #templates: WorkerPool;
  readonly #memoryMb: number;

  constructor(options: SandboxOptions = {}) {
    const { threads = 2, memoryMb = 64, maxQueued = 1000, maxWaitMs = 10_000 } = options;
    this.#memoryMb = memoryMb;
    this.#schemas = new WorkerPool({ role: 'schema', threads, memoryMb, maxQueued, maxWaitMs });
    this.#expressions = new WorkerPool({ role: 'expression', threads, memoryMb, maxQueued, maxWaitMs });
    this.#templates = new WorkerPool({ role: 'template', threads, memoryMb, maxQueued, maxWaitMs });
  }

  /** Checks a value against a JSON Schema (draft 2020-12 with formats). A value that fits has no violations. */
  async validateJson(request: ValidateJsonRequest): Promise<Validation> {
    const { schema, value, timeoutMs = 1000, maxViolations = 100, tenantId = '' } = request;
    const outcome = await this.#schemas.run(
      () => ({ kind: 'validate', schema: textOf(schema), value: textOf(value), maxViolations }),
      timeoutMs,
      tenantId,
    );
    if (outcome.kind !== 'reply') return { ok: false, failure: this.#limit(outcome, timeoutMs, 'The check') };
    const reply = outcome.reply as { schemaViolations: Violation[] } | { violations: Violation[]; total: number };
    if ('schemaViolations' in reply) {
      const first = reply.schemaViolations[0];
      return {
        ok: false,
        failure: { code: 'schema_invalid', message: `${first?.path ?? ''}: ${first?.message ?? 'invalid schema'}` },
      };
    }
    return { ok: true, violations: reply.violations, total: reply.total };
  }

  /** Every mistake in a JSON Schema, paths relative to it; none means that it compiles. */
  async checkSchema(
    schema: unknown,
    limits: { timeoutMs?: number; tenantId?: string } = {},
  ): Promise<readonly Violation[]> {
    const { timeoutMs = 1000, tenantId = '' } = limits;
    const outcome = await this.#schemas.run(() => ({ kind: 'check', schema: textOf(schema) }), timeoutMs, tenantId);
    if (outcome.kind !== 'reply') {
      const { message } = this.#limit(outcome, timeoutMs, 'Compiling the schema');
      return [{ path: '', message, code: 'invalid_schema' }];
    }
    return (outcome.reply as { schemaViolations: Violation[] }).schemaViolations;
  }

  /** Reads each expression without running it; in the order given. */
  async parseExpressions(
    expressions: readonly string[],
    limits: { timeoutMs?: number; tenantId?: string } = {},
  ): Promise<readonly ExpressionReading[]> {
    if (expressions.length === 0) return [];
    const { timeoutMs = 2000, tenantId = '' } = limits;
    const outcome = await this.#expressions.run(() => ({ kind: 'parse', expressions }), timeoutMs, tenantId);
    if (outcome.kind !== 'reply') {
      const failure = this.#limit(outcome, timeoutMs, 'Reading the expressions');
      return expressions.map(() => ({ ok: false, failure }));
    }
    const { readings } = outcome.reply as {
      readings: ({ failure: SandboxFailure } | { paths: string[][]; unknown: string[] })[];
    };
    return readings.map((reading) =>
      'failure' in reading ? { ok: false, failure: reading.failure } : { ok: true, ...reading },
    );
  }

  /** What is wrong with the syntax of each Liquid template, undefined where nothing is; in the order given. */
  async parseTemplates(
    templates: readonly string[],
    limits: { timeoutMs?: number; tenantId?: string } = {},
  ): Promise<readonly (SandboxFailure | undefined)[]> {
    if (templates.length === 0) return [];
    const { timeoutMs = 2000, tenantId = '' } = limits;
    const outcome = await this.#templates.run(() => ({ kind: 'parse', templates }), timeoutMs, tenantId);
    if (outcome.kind !== 'reply') {
      const failure = this.#limit(outcome, timeoutMs, 'Reading the templates');
      return templates.map(() => failure);
    }
    const { failures } = outcome.reply as { failures: (SandboxFailure | null)[] };
    return failures.map((failure) => failure ?? undefined);
  }

  /** Evaluates a JSONata expression. Its regular expressions run in linear time and without back-references. */
  async evaluate(request: EvaluateRequest): Promise<Evaluation> {
    const { expression, context, timeoutMs = 100, resultBytes = 256 * 1024, tenantId = '' } = request;
    const outcome = await this.#expressions.run(
      () => ({ kind: 'evaluate', expression, context: textOf(context), resultBytes }),
      timeoutMs,
      tenantId,
    );
    if (outcome.kind !== 'reply') return { ok: false, failure: this.#limit(outcome, timeoutMs, 'The expression') };
    const reply = outcome.reply as { failure: SandboxFailure } | { text: string } | { empty: true };
    if ('failure' in reply) return { ok: false, failure: reply.failure };
    return { ok: true, value: 'text' in reply ? (JSON.parse(reply.text) as JsonValue) : undefined };
  }

  /** Renders a Liquid template, which reaches no file, no other template and no inherited property. */
  async renderTemplate(request: RenderTemplateRequest): Promise<Rendering> {
    const { template, values, format = 'text', timeoutMs = 500, maxCharacters = 1024 * 1024, tenantId = '' } = request;
    const outcome = await this.#templates.run(
      () => ({ kind: 'render', template, values: textOf(values), format, maxCharacters }),
      timeoutMs,
      tenantId,
    );
    if (outcome.kind !== 'reply') return { ok: false, failure: this.#limit(outcome, timeoutMs, 'The template') };
    const reply = outcome.reply as { failure: SandboxFailure } | { text: string };
    return 'failure' in reply ? { ok: false, failure: reply.failure } : { ok: true, text: reply.text };
  }

  /** Ends every thread. */
  async close(): Promise<void> {
    await Promise.all([this.#schemas.close(), this.#expressions.close(), this.#templates.close()]);
  }

  #limit(outcome: Exclude<JobOutcome, { kind: 'reply' }>, timeoutMs: number, what: string): SandboxFailure {
    switch (outcome.kind) {
      case 'time_limit':
        return { code: 'time_limit', message: `${what} took longer than ${timeoutMs} ms` };
      case 'memory_limit':
        return { code: 'memory_limit', message: `${what} needed more than ${this.#memoryMb} MiB` };
      case 'crash':
        return { code: 'sandbox_failed', message: `${what} ended unexpectedly: ${outcome.message}` };
    }
  }
}

/** `undefined` has no JSON; it stands for no value. */
function textOf(value: unknown): string {
  return JSON.stringify(value) ?? 'null';
}
