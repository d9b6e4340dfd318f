import type { JsonValue, Violation } from '@batuta/contracts';
import { WorkerPool } from './worker-pool.js';
import type { JobOutcome } from './worker-thread.js';

/** Why a job in the sandbox gave no value. `position` is the zero-based offset in the expression's text. */
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
type Validation =
  | { readonly ok: true; readonly violations: readonly Violation[]; readonly total: number }
  | { readonly ok: false; readonly failure: SandboxFailure };

/** `value` is undefined when the expression selected nothing. */
export type Evaluation =
  | { readonly ok: true; readonly value: JsonValue | undefined }
  | { readonly ok: false; readonly failure: SandboxFailure };

type Rendering =
  { readonly ok: true; readonly text: string } | { readonly ok: false; readonly failure: SandboxFailure };

/** The names that an expression reads, or its syntax error. */
export type ExpressionReading =
  | {
      readonly ok: true;
      /**
       * The paths that the expression certainly reads, as field names from the root; the first 16 names of each path.
       */
      readonly paths: readonly (readonly string[])[];
      /** Variables and functions (without `$`) that neither the expression nor JSONata defines. */
      readonly unknown: readonly string[];
    }
  | { readonly ok: false; readonly failure: SandboxFailure };

interface SandboxOptions {
  /**
   * Number of threads for schemas, and the same for expressions and for templates. A thread is started when first
   * needed. Default 2.
   */
  readonly threads?: number;
  /** Maximum heap of one thread in MiB. Default 64. */
  readonly memoryMb?: number;
  /** Maximum number of jobs of one tenant that may wait for a thread of one kind. Default 1000. */
  readonly maxQueued?: number;
  /** Milliseconds for which a job may wait for a thread. Default 10,000. */
  readonly maxWaitMs?: number;
}

interface ValidateJsonRequest {
  /** The tenant of the job. Tenants whose jobs wait take turns. */
  readonly tenantId?: string;
  /** JSON Schema, draft 2020-12. */
  readonly schema: unknown;
  readonly value: unknown;
  /** Maximum CPU time in milliseconds. Default 1000. */
  readonly timeoutMs?: number;
  /** Maximum number of returned violations. Default 100. */
  readonly maxViolations?: number;
}

interface EvaluateRequest {
  /** The tenant of the job. Tenants whose jobs wait take turns. */
  readonly tenantId?: string;
  /** A JSONata expression without the marks `{%` and `%}`. */
  readonly expression: string;
  /** The value of `$`. */
  readonly context: unknown;
  /** Maximum CPU time in milliseconds. Default 100. */
  readonly timeoutMs?: number;
  /** Maximum size of the result as JSON, in UTF-8 bytes. Default 256 KiB. */
  readonly resultBytes?: number;
}

interface RenderTemplateRequest {
  /** The tenant of the job. Tenants whose jobs wait take turns. */
  readonly tenantId?: string;
  /** A Liquid template of at most 100,000 characters. */
  readonly template: string;
  /** The values of the template's names. */
  readonly values: unknown;
  /** Values are escaped in `html` and unchanged in `text`. Default `text`. */
  readonly format?: 'text' | 'html';
  /** Maximum CPU time in milliseconds. Default 500. */
  readonly timeoutMs?: number;
  /** Maximum number of characters in the result. Default 1 Mi. */
  readonly maxCharacters?: number;
}

/**
 * Runs users' JSON Schemas, patterns, JSONata expressions and Liquid templates in threads. A thread is ended when a job
 * exceeds its CPU time or memory, so the caller's thread is never blocked. Patterns run in linear time (RE2).
 *
 * Expected outcomes are values. Methods reject with `SandboxBusyError` when too many jobs wait, and with
 * `SandboxClosedError` after `close()`. Values must be JSON, because they are passed as text.
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

  /** Checks a value against a JSON Schema (draft 2020-12 with formats). A valid value has no violations. */
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

  /** Returns every mistake in a JSON Schema, with paths relative to it. No mistake means that the schema compiles. */
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

  /** Parses each expression without running it. The results are in the given order. */
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

  /** Returns the syntax error of each Liquid template, or undefined for a correct one, in the given order. */
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

  /** Evaluates a JSONata expression. Regular expressions run in linear time and have no back-references. */
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

  /** Renders a Liquid template. The template cannot access files, other templates or inherited properties. */
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

  /** Ends all threads. */
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

/** `undefined` has no JSON text. It is passed as null. */
function textOf(value: unknown): string {
  return JSON.stringify(value) ?? 'null';
}
