/**
 * $1 partition, $2 position, $3 limit. Positions are assigned under the partition's row lock. So no new event can
 * appear up to `last_position`, and removed events leave their link. All links are one text with one line each, because
 * rows cost several times as much.
 */
export const LINKS_AFTER = `
SELECT p.last_position AS last, e.links
FROM execution.partitions p
CROSS JOIN LATERAL (
  SELECT string_agg(position || ' ' || encode(link, 'hex'), E'\n' ORDER BY position) AS links FROM (
  SELECT position, link FROM (
    (SELECT position, link FROM execution.events
      WHERE partition = $1 AND position > $2 AND length(link) = 32 ORDER BY position LIMIT $3)
    UNION ALL
    (SELECT position, link FROM execution.removed_links
      WHERE partition = $1 AND position > $2 ORDER BY position LIMIT $3)
  ) AS both_kinds ORDER BY position LIMIT $3
  ) AS next_links
) e
WHERE p.id = $1`;

/** Including links of removed events. $1 partition, $2 and $3: after this position, up to that one. */
export const LINKS_BETWEEN = `
SELECT position, encode(link, 'hex') AS link FROM (
  SELECT position, link FROM execution.events
  WHERE partition = $1 AND position > $2 AND position <= $3 AND length(link) = 32
  UNION ALL
  SELECT position, link FROM execution.removed_links WHERE partition = $1 AND position > $2 AND position <= $3
) AS links ORDER BY position`;

const CHECKPOINT = `c.partition, c.after_position AS "afterPosition", c.position, c.at, c.links, encode(c.root, 'hex') AS root,
  encode(c.previous, 'hex') AS previous, c.key_id AS "keyId", encode(c.signature, 'hex') AS signature`;

/** $1 partition. */
export const NEWEST_CHECKPOINT = `
SELECT ${CHECKPOINT} FROM execution.checkpoints c WHERE c.partition = $1 ORDER BY c.position DESC LIMIT 1`;

/** All checkpoints of a partition, from the first one on. $1 partition, $2 position, $3 limit. */
export const CHECKPOINTS_AFTER = `
SELECT ${CHECKPOINT} FROM execution.checkpoints c
WHERE c.partition = $1 AND c.position > $2 ORDER BY c.position LIMIT $3`;

/** The checkpoint that contains the newest signed link of an execution. $1 execution id. */
export const CHECKPOINT_OF = `
SELECT ${CHECKPOINT}, e.version AS "leafVersion", e.position AS "leafPosition"
FROM execution.events e
JOIN execution.checkpoints c ON c.partition = e.partition AND c.after_position < e.position AND c.position >= e.position
WHERE e.execution_id = $1 AND length(e.link) = 32
ORDER BY e.version DESC LIMIT 1`;

/** When another owner writes one at the same time, only one is stored. */
export const WRITE_CHECKPOINT = `
INSERT INTO execution.checkpoints (partition, after_position, position, at, links, root, previous, key_id, signature)
VALUES ($1, $2, $3, $4, $5, decode($6, 'hex'), decode($7, 'hex'), $8, decode($9, 'hex'))
ON CONFLICT DO NOTHING`;

/** The execution's row in the read model. $1 id. */
export const ROW_OF = `
SELECT version, status, config_id AS "configId", config_version AS "configVersion"
FROM execution.orchestration_executions WHERE id = $1`;
