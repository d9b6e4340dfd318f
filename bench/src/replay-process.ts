import type { Event, OrchestrationDefinition } from '@batuta/contracts';
import { compile, evolve, initialState } from '@batuta/execution';
import { answerCommands } from './ipc.js';

/** A history as it is stored in the log: the common fields of its events, and each event's data as JSON text. */
export interface StoredHistory {
  readonly definition: OrchestrationDefinition;
  readonly events: { readonly head: Omit<Event, 'data'>; readonly data: string }[];
}

answerCommands({
  replay: ({ histories, events }: { histories: readonly StoredHistory[]; events: number }) => {
    const compiled = histories.map(({ definition }) => compile(definition));
    let folded = 0;
    let finished = 0;
    const fold = (upTo: number): void => {
      for (folded = 0; folded < upTo;) {
        for (const [index, history] of histories.entries()) {
          const config = compiled[index];
          if (config === undefined) continue;
          let state = initialState(config);
          for (const { head, data } of history.events) {
            state = evolve(state, { ...head, data: JSON.parse(data) as unknown } as Event);
          }
          folded += history.events.length;
          if (state.status === 'completed') finished += 1;
          if (folded >= upTo) break;
        }
      }
    };
    fold(Math.min(events, 100_000));
    finished = 0;
    const began = performance.now();
    fold(events);
    const seconds = (performance.now() - began) / 1000;
    return Promise.resolve({ folded, finished, seconds });
  },
});
