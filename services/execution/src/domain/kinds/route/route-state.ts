import type { Failure, JsonObject, JsonValue, RouteDecided } from '@batuta/contracts';

/** An answer of the model that was asked for a decision. */
export interface RouteAnswer {
  readonly text: string;
  /** The answer as JSON, when it fits what was asked. */
  readonly output: JsonValue | undefined;
  /** Why it does not fit. */
  readonly problem: string | undefined;
}

/** How far a route has come. */
export interface RouteState {
  /** What the model has answered, the first answer first. */
  readonly answers: readonly RouteAnswer[];
  /** The model that answered last. */
  readonly model: JsonObject | undefined;
  /** Tokens of these answers. */
  readonly tokens: number;
  /** Undefined while nothing is chosen. */
  readonly decided: Readonly<RouteDecided> | undefined;
  /** What the chosen candidate came to, or why nobody could be asked. */
  readonly ended: { readonly output: JsonValue } | { readonly failure: Failure } | undefined;
}

export const BEGINNING: RouteState = {
  answers: [],
  model: undefined,
  tokens: 0,
  decided: undefined,
  ended: undefined,
};
