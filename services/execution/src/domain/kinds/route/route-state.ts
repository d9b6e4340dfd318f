import type { Failure, JsonObject, JsonValue, RouteDecided, RouteScore } from '@batuta/contracts';

/** An answer of the model that was asked for a decision. */
export interface RouteAnswer {
  readonly text: string;
  /** The answer as JSON, when it fits what was asked. */
  readonly output: JsonValue | undefined;
  /** Why it does not fit. */
  readonly problem: string | undefined;
}

/** How similar in meaning the message is to each candidate, the most similar first. */
export type Meaning = readonly RouteScore[];

/** How far a route has come. */
export interface RouteState {
  /** Undefined while meanings are not compared. */
  readonly meaning: Meaning | undefined;
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
  meaning: undefined,
  answers: [],
  model: undefined,
  tokens: 0,
  decided: undefined,
  ended: undefined,
};
