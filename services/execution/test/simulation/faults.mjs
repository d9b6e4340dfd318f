// Deliberate faults. Each is one change of the engine's or store's source, and the seed that finds it. `npm run
// simulate:faults` applies them one at a time, in memory, and checks that the seed still finds each. `-- --find` looks
// for new seeds.
const partitions = 'services/execution/src/partitions';
const direct = `${partitions}/dispatch/direct-dispatch.ts`;
const turns = `${partitions}/dispatch/turns.ts`;
const table = `${partitions}/dispatch/runner-table.ts`;
const life = `${partitions}/dispatch/runner-life.ts`;
const domain = 'services/execution/src/domain';
const memory = 'libs/event-store/src/memory/memory-event-store.ts';
const owners = 'libs/event-store/src/memory/memory-ownership.ts';

export const faults = [
  {
    name: 'no fence',
    what: 'the store appends under any epoch',
    seed: 20,
    patches: [
      {
        file: owners,
        from: 'return this.#partitions.get(item.partition)?.epoch === item.epoch;',
        to: 'return this.#partitions.has(item.partition);',
      },
    ],
  },
  {
    name: 'reply before commit',
    what: 'what was decided is answered at once',
    seed: 1,
    patches: [
      {
        file: `${partitions}/lane/lane.ts`,
        from: 'this.#open.append(execution, base, command, decision, input, answer);\n',
        to: 'this.#open.append(execution, base, command, decision, input, answer);\n    this.#open.decided.pop();\n    settle(input, answer);\n',
      },
    ],
  },
  {
    name: 'retry of an unknown commit',
    what: 'a commit whose outcome is unknown is sent again under the same epoch',
    seed: 59,
    patches: [
      {
        file: `${partitions}/lane/commit-recovery.ts`,
        from: '    default:\n      return [...partitions.values()];',
        to: '    default:\n      return [];',
      },
    ],
  },
  {
    name: 'a commit regardless of the one before',
    what: 'the store appends behind a commit that was refused',
    seed: 55,
    patches: [{ file: memory, from: 'if (lastPosition === item.lastPosition) held.set(', to: 'held.set(' }],
  },
  {
    name: 'a link of a commit that failed',
    what: 'the chain goes on from what was taken back',
    seed: 34,
    patches: [
      {
        file: `${partitions}/lane/commit-recovery.ts`,
        from: 'execution.currentLink = execution.committedLink;\n    if (',
        to: 'if (',
      },
    ],
  },
  {
    name: 'a wake-up that was not written',
    what: 'the row counts as holding the wake-up of a later commit that failed',
    seed: 13974,
    patches: [
      {
        file: `${partitions}/lane/lane.ts`,
        from: 'execution.committedWake = changes.wakeAt;',
        to: 'execution.committedWake = execution.currentWake;',
      },
    ],
  },
  {
    name: 'effects before commit',
    what: 'tasks and events go out when the commit is sent',
    seed: 1,
    patches: [
      {
        file: `${partitions}/lane/lane.ts`,
        from: '    this.#sent.push(batch);\n',
        to: '    this.#sent.push(batch);\n    for (const early of batch.executions.values()) this.#parts.owner.committed(early);\n',
      },
    ],
  },
  {
    name: 'wake_at not written',
    what: 'the row keeps the first wake-up of its execution',
    seed: 1,
    patches: [
      {
        file: `${partitions}/lane/execution-row.ts`,
        from: 'return stored === null || wake < stored || stored <= now ? wake : undefined;',
        to: 'return stored === null ? wake : undefined;',
      },
    ],
  },
  {
    name: 'takeover without reload',
    what: 'a process keeps what it once read of an execution',
    seed: 2,
    patches: [
      {
        file: `${partitions}/lane/execution-loader.ts`,
        from: '    return new Promise((resolve, reject) => {\n      const waiting',
        to: '    return (this.kept[id] ??= new Promise((resolve, reject) => {\n      const waiting',
      },
      {
        file: `${partitions}/lane/execution-loader.ts`,
        from: 'if (this.#queue.size === 1) this.#soon(() => this.#next());\n    });\n',
        to: 'if (this.#queue.size === 1) this.#soon(() => this.#next());\n    }));\n',
      },
      {
        file: `${partitions}/lane/execution-loader.ts`,
        from: '  #running = 0;\n',
        to: '  #running = 0;\n  kept: Record<string, Promise<LoadedExecution | undefined>> = {};\n',
      },
    ],
  },
  {
    name: 'fenced owner goes on',
    what: 'an owner takes a fenced commit for its own',
    seed: 10,
    patches: [
      {
        file: `${partitions}/lane/lane.ts`,
        from: "owner.lost(partition, 'its epoch or its log has moved on');",
        to: '',
      },
    ],
  },
  {
    name: 'answers without a look at the epoch',
    what: 'rejections and stale results are answered at once',
    seed: 2,
    patches: [
      {
        file: `${partitions}/lane/lane.ts`,
        from: '    this.#open.answer(partition, input, answer);\n',
        to: '    settle(input, answer);\n',
      },
    ],
  },
  {
    name: 'decisions on a failed commit stand',
    what: 'what was decided on top of a failed commit is kept',
    seed: 27,
    patches: [
      { file: `${partitions}/lane/commit-recovery.ts`, from: '    execution.current = execution.committed;\n', to: '' },
    ],
  },
  {
    name: 'a lane that rests on waiting inputs',
    what: 'inputs that were put aside are taken up only after a commit',
    seed: 339,
    patches: [
      {
        file: `${partitions}/lane/lane.ts`,
        from: 'A waiting input makes all later ones wait.\n    this.#drainWaiting();\n',
        to: 'A waiting input makes all later ones wait.\n',
      },
    ],
  },
  {
    name: 'effects are not performed again',
    what: 'a takeover trusts that all effects have happened',
    seed: 2,
    patches: [
      {
        file: `${partitions}/engine.ts`,
        from: 'if (record.publishedPosition < record.lastPosition) void this.#redo(partition, record);',
        to: '',
      },
    ],
  },
  {
    name: 'published position runs ahead',
    what: 'it passes effects that are not acknowledged',
    seed: 284,
    patches: [
      {
        file: `${partitions}/lane/partition.ts`,
        from: 'this.#tickets[0] !== undefined && this.#tickets[0].open === 0',
        to: 'this.#tickets[0] !== undefined',
      },
    ],
  },
  {
    name: 'evaluations are done before they are committed',
    what: 'the published position passes an evaluation whose outcome a crash can still lose',
    seed: 203,
    patches: [
      {
        file: `${partitions}/effects/effects.ts`,
        from: 'recordOutcome(this.#parts, partition, { wanted: () => partition.owned, inputOf, done });',
        to: 'recordOutcome(this.#parts, partition, { wanted: () => partition.owned, inputOf, done: () => undefined });\n    done();',
      },
    ],
  },
  {
    name: 'unread is done',
    what: 'an execution that cannot be read after a takeover counts as one whose effects were performed again',
    seed: 168,
    patches: [
      {
        file: `${partitions}/effects/redo-effects.ts`,
        from: 'if (dropped && partition.owned) return void clock.after(REDO_PAUSE_MS, look);',
        to: 'if (!partition.owned) return void clock.after(REDO_PAUSE_MS, look);',
      },
    ],
  },
  {
    name: 'lost queue not noticed',
    what: 'neither the identity of the tasks’ stream nor single tasks are looked at',
    seed: 2,
    patches: [
      {
        file: `${partitions}/effects/queue-watch.ts`,
        from: '      if (lost) {\n',
        to: '      if (lost && this.#stopped) {\n',
      },
      {
        file: `${partitions}/effects/queue-watch.ts`,
        from: 'let left = this.#parts.settings.auditBatch;',
        to: 'let left = 0;',
      },
    ],
  },
  {
    name: 'no audit',
    what: 'single tasks that the queue lost are not looked up',
    seed: 59,
    patches: [
      {
        file: `${partitions}/effects/queue-watch.ts`,
        from: 'let left = this.#parts.settings.auditBatch;',
        to: 'let left = 0;',
      },
    ],
  },
  {
    name: 'claims nobody heard of',
    what: 'partitions whose claim was not answered are not given up',
    seed: 34,
    patches: [
      { file: `${partitions}/ownership/ownership.ts`, from: 'await store.release(settings.name, forgotten);', to: '' },
    ],
  },
  {
    name: 'one attempt too many',
    what: 'max_attempts does not count the first attempt',
    seed: 2,
    patches: [
      {
        file: `${domain}/failures/retry.ts`,
        from: 'failures >= policy.maxAttempts',
        to: 'failures > policy.maxAttempts',
      },
    ],
  },
  {
    name: 'no parallel_limit',
    what: 'any number of steps run at once',
    seed: 28,
    patches: [
      {
        file: `${domain}/state/timers.ts`,
        from: 'return state.slots < state.config.parallelLimit;',
        to: 'return true;',
      },
    ],
  },
  {
    name: 'two outcomes of one attempt',
    what: 'a result is recorded whether or not its attempt is outstanding',
    seed: 2,
    patches: [
      {
        file: `${domain}/commands/record-result.ts`,
        from: "return !isTerminal(state.status) && unit.phase === 'running' && unit.attempt === attempt;",
        to: 'return unit.attempt >= attempt && attempt > 0;',
      },
    ],
  },
  {
    name: 'a condition is asked for twice',
    what: 'a plain path in when is taken for a pending evaluation',
    seed: 205,
    patches: [
      {
        file: `${domain}/expressions/evaluations.ts`,
        from: "return valueAtPath(unit.when.path, unitContext(state, unit)).known ? 'input' : 'when';",
        to: "return 'when';",
      },
    ],
  },
  {
    name: 'an old decision under a new epoch',
    what: 'what was decided before its partition was lost and taken again is committed under the new epoch',
    seed: undefined,
    patches: [
      {
        file: `${partitions}/lane/commit-request.ts`,
        from: 'batch.events.filter(({ partition }) => partition.owned)',
        to: 'batch.events.filter(({ partition }) => partitions.some((item) => item.partition === partition.id))',
      },
      {
        file: `${partitions}/lane/commit-request.ts`,
        from: 'if (!changes.execution.partition.owned) continue;\n',
        to: 'if (!partitions.some((item) => item.partition === changes.execution.partition.id)) continue;\n',
      },
    ],
  },
  {
    name: 'a failed release',
    what: 'partitions whose release was not answered stay in memory',
    seed: undefined,
    patches: [
      {
        file: `${partitions}/ownership/ownership.ts`,
        from: "} finally {\n      // No client is served any more, whether or not the release was received. Partitions that still have this name are\n      // checked again later.\n      for (const partition of still) this.#parts.lost(partition, 'released');\n    }",
        to: "for (const partition of still) this.#parts.lost(partition, 'released');\n    } finally {}",
      },
    ],
  },
  {
    name: 'members of a decided group run again',
    what: 'a retry of the execution runs what failed in a group that had its outcome',
    seed: 4535,
    patches: [
      {
        file: `${domain}/events/execution-retried.ts`,
        from: '    if (decided.has(index)) {',
        to: "    if (decided.has(index) && old.phase === 'completed') {",
      },
    ],
  },
  {
    name: 'a budget for all retries together',
    what: 'a retry does not give an execution its budget anew',
    seed: 31,
    patches: [
      {
        file: `${domain}/events/execution-retried.ts`,
        from: '      spentTokens: 0,\n      spentCost: 0,\n      exceeded: undefined,\n',
        to: '',
      },
    ],
  },
  {
    name: 'a budget stops no retries',
    what: 'beyond the budget an execution waits for the next attempt of a step that failed',
    seed: 126,
    patches: [
      {
        file: `${domain}/plan/plan.ts`,
        from: 'if (state.running === 0 && state.retries === undefined && !begun) {',
        to: 'if (state.retries !== undefined) return;\n  if (state.running === 0 && !begun) {',
      },
    ],
  },
  {
    name: 'failed attempts cost nothing',
    what: 'what an attempt that failed had spent does not count',
    seed: 31,
    patches: [
      {
        file: `${domain}/events/step-attempt-failed.ts`,
        from: 'spend(next, data);\n    if (data.retryAt',
        to: 'if (data.retryAt',
      },
    ],
  },
  {
    name: 'a budget ends what is paid for',
    what: 'beyond the budget an execution fails although every step is done',
    seed: 1,
    patches: [
      {
        file: `${domain}/plan/plan.ts`,
        from: '  if (state.unsettled === 0) {\n    complete(draft);\n    return;\n  }\n  const begun',
        to: '  const begun',
      },
    ],
  },
  {
    name: 'no retries of an undoing beyond the budget',
    what: 'a due attempt of a compensation is not woken for once the budget is exceeded',
    seed: 1329,
    patches: [
      {
        file: `${domain}/state/timers.ts`,
        from: "const spentOut = state.exceeded !== undefined && state.status === 'running';",
        to: 'const spentOut = state.exceeded !== undefined;',
      },
    ],
  },
  {
    name: 'a start on its way has no effects',
    what: 'an execution whose start is being decided again counts as one whose effects were performed again',
    seed: 10493,
    patches: [
      {
        file: `${partitions}/lane/input-decider.ts`,
        from: 'return input.missed(true);',
        to: 'return input.missed(false);',
      },
    ],
  },
  {
    name: 'a silent runner is waited for',
    what: 'a runner that gives no sign of life and answers nobody keeps its tasks',
    seed: 30,
    patches: [
      { file: life, from: 'if (silent > runner.expiresMs * STILL_SHARE)', to: 'if (silent > Infinity)' },
      {
        file: life,
        from: "runner.life = ANSWERED[runner.life];\n      if (answer === 'no_responders') lost(runner, 'it is not connected', true);",
        to: '',
      },
    ],
  },
  {
    name: 'what a silent runner held stays with it',
    what: 'only what it had not confirmed is dispatched again, the rest counts as held',
    seed: 35,
    patches: [
      {
        file: table,
        from: '      this.#holders.delete(key);\n      this.stop(runner, sent);\n',
        to: '      if (sent.done === undefined) continue;\n      this.#holders.delete(key);\n      this.stop(runner, sent);\n',
      },
    ],
  },
  {
    name: 'a task is done before its receipt',
    what: 'the published position passes tasks that no runner has confirmed',
    seed: 3,
    patches: [
      {
        file: turns,
        from: 'const sent: Sent = { task, share, running: true, done };',
        to: "const sent: Sent = { task, share, running: true, done: () => undefined };\n    queueMicrotask(() => done('stored'));",
      },
    ],
  },
  {
    name: 'a held task is sent to another runner',
    what: 'what a runner holds already is given away again',
    seed: 444,
    patches: [
      {
        file: direct,
        from: '    if (sent === undefined) return false;\n    const { done: before } = sent;\n',
        to: '    if (sent === undefined || sent.share !== undefined) return false;\n    const { done: before } = sent as Sent;\n',
      },
      {
        file: table,
        from: '    if (this.#holders.has(attemptKey)) return true;\n    for (const runner of this.#runners.values()) {\n      if ((pool === undefined || runner.pools.has(pool)) && runner.held.has(attemptKey)) return true;\n    }\n',
        to: '',
      },
    ],
  },
  {
    name: 'a stall is an end',
    what: 'each silence of a runner, and each moment without its connection, counts as an end with all that it has',
    seed: 658,
    patches: [
      { file: life, from: 'silent > runner.expiresMs * STILL_SHARE', to: 'silent > runner.expiresMs * SILENT_SHARE' },
      {
        file: life,
        from: '    if (ended) this.#ended(runner);\n    else this',
        to: '    this.#ended(runner);\n    if (!ended) this',
      },
      { file: life, from: '    this.#lostRunners.lives(runner.incarnation);\n', to: '' },
      {
        file: life,
        from: '    const run = { pool, incarnation };\n',
        to: '    const run = { pool, incarnation: `${incarnation}-${this.#parts.clock.elapsed()}` };\n',
      },
    ],
  },
  {
    name: 'a decision counts twice',
    what: 'a human may decide what is decided already',
    seed: 35,
    patches: [
      {
        file: `${domain}/commands/decide-approval.ts`,
        from: '  if (decision !== undefined && (call === undefined || current.approval?.decideAs === stepId)) {\n',
        to: '  if (decision !== undefined && rules === undefined) {\n',
      },
      {
        file: `${domain}/commands/decide-approval.ts`,
        from: 'call === undefined ? !isAwaiting(current) :',
        to: 'call === undefined ? current.approval === undefined :',
      },
    ],
  },
  {
    name: 'a time-out after the decision',
    what: 'the deadline of an approval stays when it is decided',
    seed: 51,
    patches: [
      {
        file: `${domain}/state/timers.ts`,
        from: "  if (unit.phase === 'awaiting') {\n    return awaitsUntil(state, entry.item) === entry.key;\n",
        to: '  if (unit.approval !== undefined) {\n    return unit.approval.decision?.timedOut !== true && unit.approval.deadlineAt === entry.key;\n',
      },
      {
        file: `${domain}/commands/wake.ts`,
        from: "  if (unit.phase === 'awaiting') {",
        to: '  if (unit.approval !== undefined) {',
      },
    ],
  },
  {
    name: 'a human waits for a slot',
    what: 'an approval is asked for only when an agent could start',
    seed: 85,
    patches: [
      {
        file: `${domain}/state/timers.ts`,
        from: 'const human = state.readyApprovals;',
        to: 'const human = hasFreeSlot(state) ? state.readyApprovals : undefined;',
      },
    ],
  },
  {
    name: 'anybody decides',
    what: 'the approvers of a step are not looked at',
    seed: 27,
    patches: [
      {
        file: `${domain}/kinds/approval/approvers.ts`,
        from: 'return approvers.length === 0 || approvers.includes(userId);',
        to: 'return approvers.length < 1_000 || approvers.includes(userId);',
      },
    ],
  },
  {
    name: 'an approval holds whatever is asked',
    what: 'a fork takes an approval over without a look at its material',
    seed: 729,
    patches: [
      {
        file: `${domain}/kinds/approval/request.ts`,
        from: 'granted?.approval.message === message && canonicalJson(granted.approval.input) === canonicalJson(input)',
        to: 'granted !== undefined',
      },
    ],
  },
  {
    name: 'a skip leads past an approval',
    what: 'what comes after an approval waits only for its own dependencies',
    seed: 1790,
    patches: [
      {
        file: `${domain}/graph/approval-gates.ts`,
        from: 'if (gates.size === 0) {',
        to: 'if (gates.size >= 0) {',
      },
    ],
  },
  {
    name: 'an undoing begins anew',
    what: 'an undoing that goes on undoes what was undone before too',
    seed: 221,
    patches: [
      {
        file: `${domain}/events/execution-reopened.ts`,
        from: "  noteControl(next, 'compensate', data, event);\n",
        to: "  noteControl(next, 'compensate', data, event);\n  for (let cell = next.undone; cell !== undefined; cell = cell.tail) next.undoable = { head: cell.head, tail: next.undoable };\n",
      },
    ],
  },
  {
    name: 'a conversation forgets a result',
    what: 'what a tool gave is not told to the model when another call of the turn failed',
    seed: 104,
    patches: [
      {
        file: `${domain}/kinds/llm/conversation.ts`,
        from: 'calls: [], messages: [...messages, ...calls.map(({ result }) => result as JsonObject)] };',
        to: 'calls: [], messages: [...messages, ...calls.filter(({ result }, _i, all) => result?.is_error !== true || all.length === 1).map(({ result }) => result as JsonObject)] };',
      },
    ],
  },
  {
    name: 'a place makes two calls',
    what: 'a call of a tool is given to a place that makes another one',
    seed: 76,
    patches: [
      {
        file: `${domain}/kinds/llm/turn.ts`,
        from: ' === tool && unitState(state, place).call === undefined,',
        to: ' === tool,',
      },
    ],
  },
  {
    name: 'a model is asked before its tools are done',
    what: 'the results of a turn are not waited for',
    seed: 104,
    patches: [
      {
        file: `${domain}/kinds/llm/turn.ts`,
        from: 'if (conversation.calls.length === 0) {',
        to: 'if (conversation.calls.every(({ place }) => place !== -1)) {',
      },
    ],
  },
  {
    name: 'a tool runs without its approval',
    what: 'a call is made although nobody has decided about it',
    seed: 165,
    patches: [
      {
        file: `${domain}/kinds/llm/call.ts`,
        from: 'if (condition === undefined) return true;',
        to: 'if (condition === undefined) return false;',
      },
    ],
  },
  {
    name: 'a tool that was declined runs',
    what: 'a call is made after a human has declined it',
    seed: 164,
    patches: [
      {
        file: `${domain}/kinds/llm/call.ts`,
        from: '  if (!decided.approved) draft.failStep(unit.index, refusal(decided, rules));',
        to: '  if (!decided.approved) begin(draft, unit);',
      },
    ],
  },
  {
    name: 'calls of models reserve all that is left',
    what: 'two calls at once may spend the budget twice',
    seed: 76,
    patches: [
      {
        file: `${domain}/budget/reservation.ts`,
        from: 'if (other.index === own) continue;',
        to: 'if (other.index !== -1) continue;',
      },
    ],
  },
  {
    name: 'a wait that is over early',
    what: 'the time of a wait has come a little before it is there',
    seed: 25,
    patches: [
      {
        file: `${domain}/events/wait-started.ts`,
        from: 'awaited: { sinceAt: event.at, untilAt },\n    });\n    addDeadline(next, index, untilAt, STEP_DEADLINE);',
        to: 'awaited: { sinceAt: event.at, untilAt: untilAt - 20 },\n    });\n    addDeadline(next, index, untilAt - 20, STEP_DEADLINE);',
      },
    ],
  },
  {
    name: 'a wait without a deadline',
    what: 'nothing wakes the execution when its time has come',
    seed: 25,
    patches: [
      {
        file: `${domain}/events/wait-started.ts`,
        from: '    addDeadline(next, index, untilAt, STEP_DEADLINE);\n',
        to: '',
      },
    ],
  },
  {
    name: 'a signal is taken twice',
    what: 'a signal that came early stays kept when a step has taken it',
    seed: 208,
    patches: [
      {
        file: `${domain}/events/signal-awaited.ts`,
        from: 'if (head.version !== version) {',
        to: 'if (head.version !== version || version > 0) {',
      },
    ],
  },
  {
    name: 'a signal that comes early is lost',
    what: 'only a step that waits gets a signal, and it is received all the same',
    seed: 16,
    patches: [
      {
        file: `${domain}/events/signal-received.ts`,
        from: '    if (stepId === undefined) {\n',
        to: '    if (stepId === undefined && event.version > 0) return;\n    if (stepId === undefined) {\n',
      },
    ],
  },
  {
    name: 'what is not chosen runs',
    what: 'a step runs also when the choice has not chosen it',
    seed: 4,
    patches: [
      {
        file: `${domain}/plan/start-unit.ts`,
        from: 'unit.chosenBy.length > 0 && !isChosen(state, unit)',
        to: 'unit.chosenBy.length > 9 && !isChosen(state, unit)',
      },
    ],
  },
  {
    name: 'the first branch takes the others with it',
    what: 'a choice takes every branch that fits, whatever its mode',
    seed: 43,
    patches: [
      {
        file: `${domain}/kinds/choice/choice.ts`,
        from: 'choosesAll ? fitting : fitting.slice(0, 1)',
        to: 'choosesAll ? fitting : fitting.slice(0)',
      },
    ],
  },
  {
    name: 'a schedule fired by two owners',
    what: 'the id of an execution follows from when it was fired, not from its time',
    seed: 2,
    patches: [
      {
        file: `${domain}/schedule/decide.ts`,
        from: 'uuidV5(draft.state.scheduleId, key ?? String(nominalAt))',
        to: 'uuidV5(draft.state.scheduleId, key ?? String(draft.at))',
      },
    ],
  },
  {
    name: 'a firing lost in a takeover',
    what: 'the next owner does not look at what a schedule has fired',
    seed: 18,
    patches: [
      {
        file: `${domain}/schedule/effects.ts`,
        from: '  return state.running.flatMap(',
        to: '  return state.running.slice(0, 0).flatMap(',
      },
    ],
  },
  {
    name: 'a ticket for each stream',
    what: 'what one stream of a commit is done with is published past an effect of another that is open',
    seed: 1113,
    patches: [
      {
        file: `${partitions}/lane/lane.ts`,
        from: 'const tickets = openTickets(kept);',
        to: 'const tickets = new Map<Partition, EffectTicket>();',
      },
      {
        file: `${partitions}/lane/lane.ts`,
        from: 'const ticket = tickets.get(execution.partition);\n      if (ticket !== undefined) owner.committed(changes, ticket);',
        to: 'const ticket = execution.partition.openTicket(changes.events.at(-1)?.position ?? 0);\n      owner.committed(changes, ticket);\n      execution.partition.close(ticket);',
      },
    ],
  },
  {
    name: 'an end that is told to nobody',
    what: 'an execution does not tell its schedule that it has ended',
    seed: 2,
    patches: [
      {
        file: `${domain}/effects/effect.ts`,
        from: 'const ended = to === undefined ? undefined : endOf(state);',
        to: 'const ended = to === undefined || state !== undefined ? undefined : endOf(state);',
      },
    ],
  },
  {
    name: 'an end of a child that comes too early',
    what: 'a parent throws away the end of a child whose start it has not recorded yet',
    seed: 15439,
    patches: [
      {
        file: `${domain}/commands/children.ts`,
        from: "waitsForChild(unitState(draft.state, index)) ? 'later' : 'stale'",
        to: "waitsForChild(unitState(draft.state, index)) ? 'stale' : 'stale'",
      },
    ],
  },
  {
    name: 'an end of a child that is told twice',
    what: 'a parent records an end of a child as often as it arrives',
    seed: 139,
    patches: [
      {
        file: `${domain}/commands/children.ts`,
        from: 'isTerminal(draft.state.status) || found.child.ended !== undefined',
        to: 'isTerminal(draft.state.status)',
      },
      {
        file: `${domain}/commands/children.ts`,
        from: '(end.version ?? 0) <= child.started.since && end.deleted !== true',
        to: '(end.version ?? 0) < 0',
      },
    ],
  },
  {
    name: 'an old wish of a parent',
    what: 'a child obeys what its parent wanted before',
    seed: 3812,
    patches: [
      {
        file: `${domain}/commands/children.ts`,
        from: '  if (order < commanded) {',
        to: '  if (order < 0) {',
      },
    ],
  },
  {
    name: 'a child lost in a takeover',
    what: 'the next owner does not start the children that were asked for',
    seed: 57,
    patches: [
      {
        file: `${domain}/effects/children.ts`,
        from: '  return [...starts, ...commandsOfChildren(state)];',
        to: '  return [...starts.slice(0, 0), ...commandsOfChildren(state)];',
      },
    ],
  },
  {
    name: 'a retry that begins anew',
    what: 'a retry of a parent starts another child instead of the one that failed',
    seed: 55,
    patches: [
      {
        file: `${domain}/kinds/orchestration/child.ts`,
        from: '!isDone && before.inputKey === inputKey',
        to: '!isDone && before.inputKey !== inputKey',
      },
    ],
  },
  {
    name: 'an iteration done twice',
    what: 'an iteration does not count, and is done again under its number',
    seed: 38,
    patches: [
      {
        file: `${domain}/repeat/iterate.ts`,
        from: 'iteration: done + 1 }',
        to: 'iteration: Math.max(1, done) }',
      },
    ],
  },
  {
    name: 'a child for two iterations',
    what: 'the next iteration takes up the child of the one before',
    seed: 332,
    patches: [
      {
        file: `${domain}/kinds/orchestration/child.ts`,
        from: "(unit.repeat !== undefined && before?.ended === 'completed')",
        to: "(unit.repeat !== undefined && before?.ended === 'deleted')",
      },
    ],
  },
  {
    name: 'an iteration without its delay',
    what: 'the next iteration begins at once',
    seed: 88,
    patches: [{ file: `${domain}/repeat/iterate.ts`, from: 'draft.at + delayMs', to: 'draft.at + 0 * delayMs' }],
  },
  {
    name: 'one iteration too many',
    what: 'a loop goes on after `max_iterations`',
    seed: 74,
    patches: [
      {
        file: `${domain}/repeat/iterate.ts`,
        from: '} else if (iterations >= maxIterations) {',
        to: '} else if (iterations > maxIterations) {',
      },
    ],
  },
  {
    name: 'a retry that begins a loop anew',
    what: 'a retry of an execution forgets the iterations that are done',
    seed: 470,
    patches: [
      {
        file: `${domain}/events/execution-retried.ts`,
        from: "loop: old.phase === 'completed' ? undefined : loopAfterRetry(old.loop)",
        to: "loop: old.phase === 'completed' ? undefined : loopAfterRetry(undefined)",
      },
    ],
  },
  {
    name: 'an end of a dependency that is lost',
    what: 'an execution does not tell those that wait for it that it has ended',
    seed: 6,
    patches: [
      {
        file: `${domain}/effects/effect.ts`,
        from: '(waiters ?? []).map((each)',
        to: '(waiters ?? []).slice(1).map((each)',
      },
    ],
  },
  {
    name: 'an end of a dependency that is told twice',
    what: 'an execution records an end of what it waits for as often as it arrives',
    seed: 70,
    patches: [
      {
        file: `${domain}/commands/dependencies.ts`,
        from: 'isTerminal(draft.state.status) || dependency.ended !== undefined;',
        to: 'isTerminal(draft.state.status);',
      },
      {
        file: `${domain}/commands/dependencies.ts`,
        from: '(ended.version ?? 0) <= dependency.endVersion',
        to: '(ended.version ?? 0) < 0',
      },
    ],
  },
  {
    name: 'an old answer of a dependency',
    what: 'an answer to an earlier question counts after a retry',
    seed: undefined,
    patches: [
      {
        file: `${domain}/commands/dependencies.ts`,
        from: ' || dependency.asked !== order) {',
        to: ') {',
      },
      {
        file: `${domain}/effects/dependencies.ts`,
        from: 'dependency?.asked === order && isToAsk',
        to: 'dependency !== undefined && isToAsk',
      },
    ],
  },
  {
    name: 'a begin before the end',
    what: 'an execution begins although what it waits for has not ended',
    seed: 6,
    patches: [
      {
        file: `${domain}/plan/plan.ts`,
        from: ' <= at && !waitsForDependencies(state);',
        to: ' <= at;',
      },
    ],
  },
  {
    name: 'a firing past the limits',
    what: 'a schedule starts its executions without asking whether its tenant may have more',
    seed: 81,
    patches: [
      {
        file: `${partitions}/effects/schedule-effects.ts`,
        from: "      if (refusal === 'unwanted') return undefined;\n      if (refusal !== undefined) return { outcome: 'refused', refusal };\n",
        to: '',
      },
    ],
  },
  {
    name: 'a child past the limits',
    what: 'a parent starts its children without asking whether its tenant may have more',
    seed: 343,
    patches: [
      {
        file: `${partitions}/effects/child-effects.ts`,
        from: "'command' in found ? await this.#admitted(execution, effect, found) : found",
        to: 'true ? found : undefined',
      },
    ],
  },
  {
    name: 'a default that nobody follows',
    what: 'a step fails as its strategy says, whatever the settings say',
    seed: 199,
    patches: [
      {
        file: `${domain}/graph/failure-policy.ts`,
        from: 'const policy = said || settings?.on_failure;',
        to: "const policy = said || (settings === undefined ? 'abort' : said);",
      },
    ],
  },
  {
    name: 'a route decided twice',
    what: 'a route whose candidate has failed decides again',
    seed: 47,
    patches: [
      {
        file: `${domain}/kinds/route/heard.ts`,
        from: "const ended = 'failure' in outcome ? outcome : { output: outcome.output };",
        to: "if ('failure' in outcome && !place.asksModel) return;\n    const ended = 'failure' in outcome ? outcome : { output: outcome.output };",
      },
    ],
  },
  {
    name: 'a route that asks on',
    what: 'a model whose answers name nobody is asked again and again',
    seed: 324,
    patches: [
      {
        file: `${domain}/kinds/route/decision.ts`,
        from: "if (answers.length <= MOST_REPAIRS) return { ask: 'model' };",
        to: "if (answers.length <= MOST_REPAIRS + 1) return { ask: 'model' };",
      },
    ],
  },
  {
    name: 'a route by an unsure model',
    what: 'a choice counts however little the model trusts it',
    seed: 94,
    patches: [
      {
        file: `${domain}/kinds/route/decision.ts`,
        from: 'return choice.confidence >= rules.minConfidence ? { choice } :',
        to: 'return choice.confidence >= 0 ? { choice } :',
      },
    ],
  },
  {
    name: 'one failed item too many',
    what: 'a step with a map tolerates one failed item more than it says',
    seed: 215,
    patches: [
      {
        file: `${domain}/kinds/map/failures.ts`,
        from: 'if (map.failed > map.tolerated) return',
        to: 'if (map.failed > map.tolerated + 1) return',
      },
    ],
  },
  {
    name: 'a chunk that never has enough',
    what: 'a chunk works on although it alone has too many failed items',
    seed: 215,
    patches: [
      {
        file: `${domain}/failures/handling.ts`,
        from: "return toleratesOneMore(state) ? 'continue' : 'abort';",
        to: "return toleratesOneMore(state) ? 'continue' : 'continue';",
      },
    ],
  },
  {
    name: 'a stopped chunk counts as done',
    what: 'a chunk that was stopped before its last items is not worked on again in a retry',
    seed: 1168,
    patches: [
      {
        file: `${domain}/events/map-chunk-ended.ts`,
        from: "phase: stopped ? 'waiting' : 'ended'",
        to: "phase: stopped ? 'ended' : 'ended'",
      },
    ],
  },
  {
    name: 'a lane that leaves its child',
    what: 'in a retry a lane with a child that was told to stop gets another chunk',
    seed: 1771,
    patches: [
      {
        file: `${domain}/kinds/map/advance.ts`,
        from: 'if (child?.chunk === undefined || child.ended !== undefined || child.map !== map.number) continue;',
        to: 'if (child?.chunk === undefined || child.chunk >= 0 || child.map !== map.number) continue;',
      },
      {
        file: `${domain}/kinds/map/advance.ts`,
        from: 'return child === undefined || child.ended !== undefined;',
        to: 'return child === undefined || child.id !== "";',
      },
    ],
  },
  {
    name: 'results in another order',
    what: 'the outputs of the items are put together from the last chunk on',
    seed: 215,
    patches: [
      {
        file: `${domain}/kinds/map/advance.ts`,
        from: 'map.chunks.flatMap((chunk) => chunk.results ?? [])',
        to: 'map.chunks.toReversed().flatMap((chunk) => chunk.results ?? [])',
      },
    ],
  },
  {
    name: 'another item',
    what: 'the steps of a chunk get the items after theirs',
    seed: 214,
    patches: [
      {
        file: `${domain}/kinds/map/chunk.ts`,
        from: 'items[unit.order]',
        to: 'items[unit.order + 1]',
      },
    ],
  },
  {
    name: 'a place asked for twice',
    what: 'a limiter counts a repeated request of an execution as another one',
    seed: 133,
    patches: [
      {
        file: `${domain}/limiter/decide.ts`,
        from: "  if (known !== undefined && known.order >= order) return 'recorded';\n",
        to: '',
      },
    ],
  },
  {
    name: 'a place too many',
    what: 'a limiter grants one more place than its limit',
    seed: 131,
    patches: [
      {
        file: `${domain}/limiter/decide.ts`,
        from: 'while (heldOf(draft.state) < draft.state.limit) {',
        to: 'while (heldOf(draft.state) <= draft.state.limit) {',
      },
    ],
  },
  {
    name: 'a place that nobody checks',
    what: 'a limiter does not ask its holders whether they still need their places',
    seed: 516,
    patches: [
      {
        file: `${domain}/limiter/effects.ts`,
        from: "    case 'HoldersChecked':\n      return wantedLimiterEffects(stateAfter);",
        to: "    case 'HoldersChecked':\n      return [];",
      },
    ],
  },
  {
    name: 'a place not given back',
    what: 'an execution that has ended does not give its place back',
    seed: 131,
    patches: [
      {
        file: `${domain}/effects/place.ts`,
        from: 'started === undefined || !isTerminal(status)) return [];',
        to: 'started === undefined || isTerminal(status) || !isTerminal(status)) return [];',
      },
    ],
  },
  {
    name: 'a begin without a place',
    what: 'an execution begins before it has a place',
    seed: 131,
    patches: [
      {
        file: `${domain}/plan/plan.ts`,
        from: "state.status === 'pending' && waitsForPlace(state)) {\n    askForPlace(draft);\n    return;",
        to: "state.status === 'pending' && waitsForPlace(state) && state.place === undefined) {\n    askForPlace(draft);\n    return;",
      },
    ],
  },
];
