import type { RowCount, RowsPart } from '../rows-beside.js';

/**
 * Up to this many events, in a commit of one partition, are sent as parameters too, which saves an eighth of the
 * commit's time.
 */
const FEW_EVENTS = [0, 1, 2, 3, 4] as const;

/** The parts of a commit. An absent part is left out of the statement, because an empty part costs time too. */
interface CommitShape {
  /** The commit fences one partition, so locks cannot be taken in another order. */
  readonly single: boolean;
  readonly events: (typeof FEW_EVENTS)[number] | 'many';
  /** The rows beside the events. */
  readonly rows: readonly PartShape[];
  /** The first parameter of the rows of streams; undefined when the commit writes none. */
  readonly streamsAt: number | undefined;
}

export interface PartShape {
  readonly part: Pick<RowsPart<never>, 'text'>;
  readonly count: Exclude<RowCount, 'none'>;
  readonly firstParameter: number;
}

/**
 * Fences and appends for all partitions of a lane in one statement. If a partition's epoch has changed, or its log does
 * not end where the commit begins, its row is not returned and nothing is written for it. Texts are joined by line
 * breaks, which JSON text never contains, so nothing needs to be escaped.
 *
 * $1–$5: partition, epoch, last position, number of appended events, published position (arrays unless `single`). From
 * $6: the events, as nine columns when there are many, otherwise one after the other. Then the rows beside the events,
 * if there are any, with one parameter per column: the values of a single row, or those of `rowsSource`. Last: rows of
 * streams, as one JSON text.
 */
function commitText({ single, events, rows, streamsAt }: CommitShape): string {
  const append = events === 'many' ? APPEND : appendFew(events);
  const beside = rows.map(({ part, count, firstParameter }) => part.text(count, firstParameter)).join('');
  return `WITH ${single ? MOVE_ONE : MOVE}${append}${beside}${streamsAt === undefined ? '' : writeStreams(streamsAt)}
SELECT id, base FROM moved`;
}

const EVENTS_AT = 6;
const APPEND = `, appended AS (
  INSERT INTO execution.events (partition, position, execution_id, version, type, command_id, at, data, link)
  SELECT e.partition, m.base + e.rank, e.execution_id, e.version, e.type, e.command_id, e.at, e.data::jsonb, decode(e.link, 'hex')
  FROM unnest($6::int[], $7::int[], $8::uuid[], $9::int[], string_to_array($10, E'\\n'), string_to_array($11, E'\\n'),
    $12::bigint[], string_to_array($13, E'\\n'), string_to_array($14, E'\\n'))
    AS e(partition, rank, execution_id, version, type, command_id, at, data, link)
  JOIN moved m ON m.id = e.partition
)`;

/** Types of execution_id, version, type, command_id, at, data and link. */
const EVENT_TYPES = ['uuid', 'int', 'text', 'text', 'bigint', 'jsonb', 'text'];

function appendFew(count: number): string {
  if (count === 0) return '';
  const rows = Array.from({ length: count }, (_, event) => {
    const first = EVENTS_AT + event * EVENT_TYPES.length;
    return `(${event + 1}, ${EVENT_TYPES.map((type, place) => `$${first + place}::${type}`).join(', ')})`;
  });
  return `, appended AS (
  INSERT INTO execution.events (partition, position, execution_id, version, type, command_id, at, data, link)
  SELECT m.id, m.base + e.rank, e.execution_id, e.version, e.type, e.command_id, e.at, e.data, decode(e.link, 'hex')
  FROM moved m, (VALUES ${rows.join(', ')}) AS e(rank, execution_id, version, type, command_id, at, data, link)
)`;
}

const MOVE = `wanted AS (
  SELECT * FROM unnest($1::int[], $2::bigint[], $3::bigint[], $4::int[], $5::bigint[])
    AS w(id, epoch, last, appended, published)
), held AS (
  SELECT p.id, w.appended, w.published
  FROM execution.partitions p JOIN wanted w ON w.id = p.id
  WHERE p.epoch = w.epoch AND p.last_position = w.last
  ORDER BY p.id
  FOR UPDATE OF p
), moved AS (
  UPDATE execution.partitions p
  SET last_position = p.last_position + h.appended,
      published_position = greatest(p.published_position, h.published)
  FROM held h
  WHERE p.id = h.id
  RETURNING p.id, p.last_position - h.appended AS base
)`;

const MOVE_ONE = `moved AS (
  UPDATE execution.partitions
  SET last_position = last_position + $4::int, published_position = greatest(published_position, $5::bigint)
  WHERE id = $1::int AND epoch = $2::bigint AND last_position = $3::bigint
  RETURNING id, last_position - $4::int AS base
)`;

const writeStreams = (parameter: number): string => `, streams AS (
  INSERT INTO execution.streams AS s
    (id, partition, kind, tenant_id, name, config_id, status, version, wake_at, created_at, view)
  SELECT r.id, r.partition, r.kind, r.tenant_id, r.name, r.config_id, r.status, r.version, r.wake_at, r.created_at, r.view
  FROM jsonb_to_recordset($${parameter}::jsonb) AS r(id uuid, partition int, kind text, tenant_id text, name text, config_id text,
    status text, version int, wake_at bigint, created_at bigint, view jsonb)
  JOIN moved m ON m.id = r.partition
  ON CONFLICT (id) DO UPDATE SET name = excluded.name, config_id = excluded.config_id, status = excluded.status,
    version = excluded.version, wake_at = excluded.wake_at, view = excluded.view
)`;

/** The number of events that are sent as parameters: all when they are few and of one partition. */
export function eventsOf(single: boolean, count: number): CommitShape['events'] {
  return (single ? FEW_EVENTS[count] : undefined) ?? 'many';
}

/** The statements of one store's commits, created when a shape first occurs. A lane's connection prepares each once. */
export class CommitStatements {
  readonly #texts = new Map<string, string>();

  /** `name` must say the whole shape. */
  of(name: string, shape: () => CommitShape): { readonly name: string; readonly text: string } {
    let text = this.#texts.get(name);
    if (text === undefined) {
      text = commitText(shape());
      this.#texts.set(name, text);
    }
    return { name, text };
  }
}
