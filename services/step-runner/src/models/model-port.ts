import type { JsonObject, JsonValue } from '@batuta/contracts';

/** A message of a conversation, in a provider-neutral form. */
export type ModelMessage =
  | { readonly role: 'system' | 'user'; readonly content: string }
  | { readonly role: 'assistant'; readonly content: string; readonly toolCalls: readonly ToolCall[] }
  | {
      readonly role: 'tool';
      readonly toolCallId: string;
      readonly name: string;
      readonly content: JsonValue;
      readonly failed: boolean;
    };

interface ToolCall {
  readonly id: string;
  readonly name: string;
  readonly input: JsonValue;
}

export interface ModelTool {
  readonly name: string;
  readonly description: string;
  /** JSON Schema of its input. */
  readonly inputSchema: JsonObject;
}

/** `auto`, `none`, `required`, or the name of the tool that must be called. */
export type ToolChoice = 'auto' | 'none' | 'required' | { readonly tool: string };

export interface ModelRequest {
  readonly messages: readonly ModelMessage[];
  readonly tools: readonly ModelTool[];
  readonly toolChoice: ToolChoice | undefined;
  /** JSON Schema of the answer; undefined: any text. */
  readonly outputSchema: JsonObject | undefined;
  readonly maxOutputTokens: number | undefined;
  readonly temperature: number | undefined;
  readonly signal: AbortSignal;
  /** Told what the model says as it says it; undefined: the answer comes as a whole. */
  readonly show: ((piece: ModelPiece) => void) | undefined;
}

/** A piece of an answer: of its text, of what the model thinks, or of the input of one call. */
export interface ModelPiece {
  readonly kind: 'text' | 'reasoning' | 'tool_call';
  readonly text: string;
  /** Of the call, with the name of its tool. */
  readonly id?: string;
  readonly name?: string;
}

export interface ModelAnswer {
  readonly text: string;
  /** A model may write anything as a tool's input, even invalid JSON, so it is a text here. */
  readonly toolCalls: readonly { readonly id: string; readonly name: string; readonly input: string }[];
  /** stop, length, content-filter, tool-calls, error or other. */
  readonly finishReason: string;
  /** The model that answered, as the provider names it. */
  readonly modelId: string;
  readonly inputTokens: number;
  /** How many of these were read from the provider's cache. */
  readonly cachedTokens: number;
  readonly outputTokens: number;
}

/** Asks a model once. Retries and loops are the engine's task. Throws an agent's errors. */
export type AskModel = (request: ModelRequest) => Promise<ModelAnswer>;

export interface Embeddings {
  /** One for each text, in their order. */
  readonly vectors: readonly (readonly number[])[];
  readonly inputTokens: number;
}

/** Makes the embeddings of texts in one call. Throws an agent's errors. */
export type Embed = (texts: readonly string[], signal: AbortSignal) => Promise<Embeddings>;
