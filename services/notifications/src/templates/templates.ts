import { MAX_TEMPLATE_BYTES } from '@batuta/contracts';
import type { JsonObject } from '@batuta/contracts';
import type { Sandbox } from '@batuta/sandbox';

/** Most characters of a rendered template. */
const MAX_RENDERED = 1024 * 1024;

/** The template is wrong, or its result or its time exceeds a limit. */
export class TemplateError extends Error {
  override readonly name = 'TemplateError';
}

/** How values are written: unchanged into JSON or text, escaped into HTML. */
export type TemplateKind = 'text' | 'html';

/** Users' Liquid templates, rendered in the sandbox's threads. A template cannot block this process. */
export class Templates {
  readonly #sandbox: Sandbox;

  constructor(sandbox: Sandbox) {
    this.#sandbox = sandbox;
  }

  /**
   * The mistake in a template, or undefined. The template is also rendered over `sample`. Rejects with a
   * `SandboxBusyError`.
   */
  async problem(source: string, kind: TemplateKind, sample: JsonObject, tenantId: string): Promise<string | undefined> {
    try {
      await this.render(source, kind, sample, tenantId);
      return undefined;
    } catch (error) {
      if (error instanceof TemplateError) return error.message;
      throw error;
    }
  }

  /** Renders a template. Rejects with a `TemplateError`, or with a `SandboxBusyError` when too many wait. */
  async render(source: string, kind: TemplateKind, values: JsonObject, tenantId: string): Promise<string> {
    if (Buffer.byteLength(source) > MAX_TEMPLATE_BYTES) {
      throw new TemplateError(`the template has more than ${MAX_TEMPLATE_BYTES} bytes`);
    }
    const rendering = await this.#sandbox.renderTemplate({
      tenantId,
      template: source,
      values,
      format: kind,
      maxCharacters: MAX_RENDERED,
    });
    if (!rendering.ok) throw new TemplateError(rendering.failure.message);
    return rendering.text;
  }
}
