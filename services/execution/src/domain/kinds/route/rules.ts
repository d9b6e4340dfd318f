import {
  expressionIn,
  type JsonValue,
  type RouteCandidate,
  type RouteMode,
  type StepDefinition,
} from '@batuta/contracts';
import { parseTemplate, type Template } from '../../expressions/expressions.js';
import type { Unit } from '../../graph/compiled.js';

const DEFAULT_MIN_CONFIDENCE = 0.5;

/** Those among which a step chooses, and how. */
export interface RouteRules {
  readonly mode: RouteMode;
  readonly candidates: readonly RouteCandidate[];
  /** Empty when no model decides. */
  readonly model: string;
  /** Empty when no meanings are compared. */
  readonly embeddingModel: string;
  readonly instructions: string;
  /** From 0 to 1. */
  readonly minConfidence: number;
  /** The candidate that is chosen when no other is. Empty for none. */
  readonly fallback: string;
}

/** Undefined for other steps. */
export function compileRoute({ route }: StepDefinition): RouteRules | undefined {
  if (route === undefined) return undefined;
  const mode = route.mode || 'rules';
  return {
    mode,
    candidates: route.candidates,
    model: mode === 'model' || mode === 'hybrid' ? (route.model ?? '') : '',
    embeddingModel: mode === 'semantic' || mode === 'hybrid' ? (route.embedding_model ?? '') : '',
    instructions: route.instructions ?? '',
    minConfidence: route.min_confidence ?? DEFAULT_MIN_CONFIDENCE,
    fallback: route.fallback ?? '',
  };
}

/**
 * The mapping is `{rules, message?, input?}`: the conditions of the candidates in their order, and what the config says of
 * the message and of the input. The sandbox evaluates all of them together, except plain paths.
 */
export function routeMapping({ route, input }: StepDefinition): Template {
  const rules = (route?.candidates ?? []).map(({ when }) =>
    when === undefined || when === '' ? false : `{% ${expressionIn(when) ?? when.trim()} %}`,
  );
  const mapping: Record<string, JsonValue> = {
    rules,
    ...(route?.message === undefined ? {} : { message: route.message }),
    ...(input === undefined ? {} : { input }),
  };
  return parseTemplate(mapping);
}

/** The rules of a route. Undefined for any other step. */
export function routeOf({ work }: Pick<Unit, 'work'>): RouteRules | undefined {
  return work.kind === 'route' ? work.rules : undefined;
}
