// Written by `npm run registries` from the files of this folder.

import { approvalDefinitions, approvalField } from './approval.js';
import { choiceDefinitions, choiceField } from './choice.js';
import { llmDefinitions, llmField } from './llm.js';
import { mapDefinitions, mapField } from './map.js';
import { orchestrationDefinitions, orchestrationField } from './orchestration.js';
import { repeatDefinitions } from './repeat.js';
import { routeDefinitions, routeField } from './route.js';
import { signalDefinitions, signalField } from './signal.js';
import { waitDefinitions, waitField } from './wait.js';
import type { KindField } from './kind.js';

/** Definitions of the schema for kinds of steps, by their names in the contract. */
export const KIND_DEFINITIONS = {
  ...approvalDefinitions,
  ...choiceDefinitions,
  ...llmDefinitions,
  ...mapDefinitions,
  ...orchestrationDefinitions,
  ...repeatDefinitions,
  ...routeDefinitions,
  ...signalDefinitions,
  ...waitDefinitions,
} as const;

/** Kinds of steps that replace the agent by a field of their own. */
export const KIND_FIELDS = {
  approval: approvalField,
  choice: choiceField,
  llm: llmField,
  map: mapField,
  orchestration: orchestrationField,
  route: routeField,
  signal: signalField,
  wait: waitField,
} as const satisfies Readonly<Record<string, KindField>>;

export const KIND_NAMES = Object.keys(KIND_FIELDS) as readonly (keyof typeof KIND_FIELDS)[];
