/** Those partitions that still have the given epoch. $1 partitions, $2 epochs. */
export const HELD_EPOCHS = `
SELECT p.id FROM execution.partitions p
JOIN unnest($1::int[], $2::bigint[]) AS w(id, epoch) ON w.id = p.id AND w.epoch = p.epoch`;
