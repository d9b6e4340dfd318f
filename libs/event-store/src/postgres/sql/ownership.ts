/** The first caller fixes the number of partitions ($1) permanently. */
export const FIX_SETTINGS = `
INSERT INTO execution.settings (partitions) VALUES ($1) ON CONFLICT (only_row) DO NOTHING`;

export const READ_SETTINGS = `SELECT partitions FROM execution.settings`;

/** Creates a row for each partition. $1 number of partitions. */
export const ADD_PARTITIONS = `
INSERT INTO execution.partitions (id) SELECT generate_series(0, $1::int - 1) ON CONFLICT (id) DO NOTHING`;

/** $1 name, $2 incarnation, $3 lease in ms. */
export const REGISTER = `
INSERT INTO execution.owners (name, incarnation, lease_until)
VALUES ($1, $2, clock_timestamp() + $3 * interval '1 millisecond')
ON CONFLICT (name) DO UPDATE SET incarnation = excluded.incarnation, lease_until = excluded.lease_until`;

/** Returns no row when another incarnation has the name. $1 name, $2 incarnation, $3 lease in ms. */
export const RENEW = `
UPDATE execution.owners SET lease_until = clock_timestamp() + $3 * interval '1 millisecond'
WHERE name = $1 AND incarnation = $2`;

export const END_LEASE = `
DELETE FROM execution.owners WHERE name = $1 AND incarnation = $2`;

/** Run after the lease has ended. $1 name. Rows are locked in the order of ids. */
export const GIVE_UP_ALL = `
WITH mine AS (
  SELECT id FROM execution.partitions WHERE owner = $1 ORDER BY id FOR UPDATE
)
UPDATE execution.partitions p SET owner = NULL FROM mine
WHERE p.id = mine.id AND NOT EXISTS (SELECT FROM execution.owners o WHERE o.name = $1)`;

export const READ_TIME = `SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now`;

/** Every partition with the state of its owner, and every live owner (partition null). */
export const VIEW = `
SELECT p.id, p.owner, coalesce(o.lease_until > clock_timestamp(), false) AS alive, p.epoch, p.last_position,
  p.published_position
FROM execution.partitions p LEFT JOIN execution.owners o ON o.name = p.owner
ORDER BY p.id`;

export const LIVE_OWNERS = `
SELECT name FROM execution.owners WHERE lease_until > clock_timestamp() ORDER BY name`;

/** $1 name, $2 incarnation, $3 partitions, $4 the epochs that the view gave for them. */
export const CLAIM = `
WITH free AS (
  SELECT p.id FROM execution.partitions p
  JOIN unnest($3::int[], $4::bigint[]) AS w(id, epoch) ON w.id = p.id
  WHERE p.epoch = w.epoch
    AND EXISTS (
      SELECT FROM execution.owners o
      WHERE o.name = $1 AND o.incarnation = $2 AND o.lease_until > clock_timestamp())
  ORDER BY p.id
  FOR UPDATE OF p
)
UPDATE execution.partitions p SET owner = $1, epoch = p.epoch + 1 FROM free
WHERE p.id = free.id
RETURNING p.id, p.owner, true AS alive, p.epoch, p.last_position, p.published_position`;

/** $1 name, $2 partitions, $3 epochs, $4 published positions. */
export const RELEASE = `
WITH mine AS (
  SELECT p.id, w.published FROM execution.partitions p
  JOIN unnest($2::int[], $3::bigint[], $4::bigint[]) AS w(id, epoch, published) ON w.id = p.id
  WHERE p.epoch = w.epoch AND p.owner = $1
  ORDER BY p.id
  FOR UPDATE OF p
)
UPDATE execution.partitions p
SET owner = NULL, published_position = greatest(p.published_position, mine.published)
FROM mine WHERE p.id = mine.id`;

/** $1 partitions, $2 epochs, $3 published positions. */
export const PUBLISH = `
WITH mine AS (
  SELECT p.id, w.published FROM execution.partitions p
  JOIN unnest($1::int[], $2::bigint[], $3::bigint[]) AS w(id, epoch, published) ON w.id = p.id
  WHERE p.epoch = w.epoch AND p.published_position < w.published
  ORDER BY p.id
  FOR UPDATE OF p
)
UPDATE execution.partitions p SET published_position = mine.published FROM mine WHERE p.id = mine.id`;
