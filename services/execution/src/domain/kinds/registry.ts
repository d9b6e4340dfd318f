// Written by `npm run registries` from the files of this folder.

import { approvalKind } from './approval/approval.js';
import { choiceKind } from './choice/choice.js';
import { llmKind } from './llm/llm.js';
import { mapKind } from './map/map.js';
import { orchestrationKind } from './orchestration/orchestration.js';
import { routeKind } from './route/route.js';
import { signalKind } from './signal/signal.js';
import { waitKind } from './wait/wait.js';
import { agentKind } from './agent/agent.js';

/**
 * Every kind of step, one folder each. A step has the first kind whose rules it contains. Every other step is an
 * agent's.
 */
export const KINDS = {
  approval: approvalKind,
  choice: choiceKind,
  llm: llmKind,
  map: mapKind,
  orchestration: orchestrationKind,
  route: routeKind,
  signal: signalKind,
  wait: waitKind,
  agent: agentKind,
};
