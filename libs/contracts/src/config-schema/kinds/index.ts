import { approval } from './approval.js';
import { choice, choiceBranch } from './choice.js';
import { llm, llmTool, toolApproval } from './llm.js';
import { orchestration } from './orchestration.js';
import { repeat } from './repeat.js';
import { signal } from './signal.js';
import { wait } from './wait.js';

/** Definitions of the schema for kinds of steps, by their names in the contract. */
export const KIND_DEFINITIONS = {
  Approval: approval,
  Wait: wait,
  Signal: signal,
  Choice: choice,
  ChoiceBranch: choiceBranch,
  Orchestration: orchestration,
  Llm: llm,
  LlmTool: llmTool,
  Repeat: repeat,
  ToolApproval: toolApproval,
} as const;

/** Kinds of steps that replace the agent by a field of their own, with a description of each. */
export const KIND_FIELDS = {
  approval: 'In place of an agent: a human decides.',
  wait: 'In place of an agent: the step is done when a time has come.',
  signal: 'In place of an agent: the step is done when a signal of that name has come.',
  choice: 'In place of an agent: chooses which of the steps that depend on it run.',
  orchestration: 'In place of an agent: an execution of another config, whose output is the step’s.',
  llm: 'In place of an agent: a model is asked, and what it wants called is called.',
} as const;
