import type { JsonObject } from '@batuta/contracts';
import { liquidEngine } from '@batuta/sandbox';
import type { Liquid, Template } from 'liquidjs';

export const MAX_TEMPLATE_BYTES = 64 * 1024;
/** Characters of what a template may give. */
const MAX_RENDERED = 1024 * 1024;
const KEPT_TEMPLATES = 500;
const LIMITS = { characters: MAX_TEMPLATE_BYTES, renderMs: 100, memoryUnits: 8 * 1024 * 1024 };

/** The template is wrong, or gives more or takes longer than it may. */
export class TemplateError extends Error {
  override readonly name = 'TemplateError';
}

/** How values are written: into JSON or text as they are, into HTML escaped. */
export type TemplateKind = 'text' | 'html';

/** Users' Liquid templates, parsed once. */
export class Templates {
  readonly #engines: Record<TemplateKind, Liquid> = { text: liquidEngine(LIMITS), html: liquidEngine(LIMITS, 'html') };
  readonly #parsed = new Map<string, Template[]>();

  /** Why a template is wrong, or undefined. It is tried on `sample` too. */
  problem(source: string, kind: TemplateKind, sample: JsonObject): string | undefined {
    try {
      this.render(source, kind, sample);
      return undefined;
    } catch (error) {
      if (error instanceof TemplateError) return error.message;
      throw error;
    }
  }

  /** Renders a template. Throws `TemplateError`. */
  render(source: string, kind: TemplateKind, values: JsonObject): string {
    if (Buffer.byteLength(source) > MAX_TEMPLATE_BYTES) {
      throw new TemplateError(`the template has more than ${MAX_TEMPLATE_BYTES} bytes`);
    }
    let rendered: unknown;
    try {
      rendered = this.#engines[kind].renderSync(this.#parse(source, kind), values);
    } catch (error) {
      throw new TemplateError(error instanceof Error ? (error.message.split('\n')[0] ?? '') : String(error));
    }
    const text = String(rendered);
    if (text.length > MAX_RENDERED) throw new TemplateError(`the template gives more than ${MAX_RENDERED} characters`);
    return text;
  }

  #parse(source: string, kind: TemplateKind): Template[] {
    const key = `${kind}:${source}`;
    let parsed = this.#parsed.get(key);
    if (parsed === undefined) {
      parsed = this.#engines[kind].parse(source);
      const [oldest] = this.#parsed.keys();
      if (this.#parsed.size >= KEPT_TEMPLATES && oldest !== undefined) this.#parsed.delete(oldest);
      this.#parsed.set(key, parsed);
    }
    return parsed;
  }
}
