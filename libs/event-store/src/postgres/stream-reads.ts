import type { LargeFields } from '../port.js';
import { dataWithout, readEvents, readStreams } from './sql/read.js';
import { READ_SMALL_SNAPSHOTS, READ_SNAPSHOTS } from './sql/snapshots.js';

interface Statement {
  readonly name: string;
  readonly text: string;
}

/** The statements that read streams. */
export interface StreamReads {
  readonly streams: Statement;
  readonly events: Statement;
  readonly snapshots: Statement;
}

const WHOLE: StreamReads = {
  streams: { name: 'read-streams', text: readStreams() },
  events: { name: 'read-events', text: readEvents() },
  snapshots: { name: 'read-snapshots', text: READ_SNAPSHOTS },
};

export function readsOf(leaveOut: LargeFields | undefined): StreamReads {
  if (leaveOut === undefined) return WHOLE;
  const data = dataWithout(leaveOut);
  return {
    streams: { name: `read-streams-${leaveOut.name}`, text: readStreams(data) },
    events: { name: `read-events-${leaveOut.name}`, text: readEvents(data) },
    snapshots: { name: 'read-small-snapshots', text: READ_SMALL_SNAPSHOTS },
  };
}
