import { readFileSync, readdirSync } from 'node:fs';
import { describe, expect, it } from '@jest/globals';
import type { Event, ExecutionView, OrchestrationDefinition } from '@batuta/contracts';
import { StreamKinds } from '@batuta/event-store';
import { STREAM_KINDS } from '../../store/kinds.js';
import { compile, evolve, initialState, view } from '../../domain/index.js';

interface History {
  readonly definition: OrchestrationDefinition;
  readonly events: readonly Event[];
  readonly view: ExecutionView;
}

const TEST = new URL('../../../test/', import.meta.url);
const historiesIn = (folder: string): [string, History][] =>
  readdirSync(new URL(`${folder}/`, TEST)).map((name) => [
    name,
    JSON.parse(readFileSync(new URL(`${folder}/${name}`, TEST), 'utf8')) as History,
  ]);
const kinds = new StreamKinds(STREAM_KINDS);
const asRead = (event: Event): Event => ({ ...event, ...kinds.upcast(event) }) as Event;
const fold = ({ definition, events }: History): unknown =>
  JSON.parse(JSON.stringify(view(events.map(asRead).reduce(evolve, initialState(compile(definition))))));

// These logs have a format that is not written any more. They never change.
describe('histories in an older form', () => {
  it.each(historiesIn('old-format'))('%s reads as what is written today', (_name, history) => {
    expect(history.events.some((event) => kinds.upcast(event).data !== event.data)).toBe(true);
    expect(fold(history)).toMatchObject(history.view as unknown as Record<string, unknown>);
  });
});

describe('histories in today’s form', () => {
  it.each(historiesIn('golden'))('%s comes back as it is, and stays so when it is read twice', (_name, { events }) => {
    for (const event of events) {
      const once = kinds.upcast(event);
      expect(kinds.upcast(once)).toEqual(once);
      expect(once).toEqual({ ...event, type: event.type, data: once.data });
      if (!event.type.startsWith('Consensus')) expect(once.data).toBe(event.data);
    }
  });
});
