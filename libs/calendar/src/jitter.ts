/**
 * The delay of a firing after its nominal time. It is less than `jitterMs` and less than the time to the next firing,
 * so that firings keep their order. The same schedule and time always have the same delay (FNV-1a with the finalizer of
 * MurmurHash3).
 */
export function jitterOf(scheduleId: string, nominal: number, jitterMs: number, next: number | undefined): number {
  const range = Math.min(jitterMs, next === undefined ? Infinity : next - nominal);
  if (range <= 1) return 0;
  let hash = 0x811c9dc5;
  const text = `${scheduleId}@${nominal}`;
  for (let place = 0; place < text.length; place++) hash = Math.imul(hash ^ text.charCodeAt(place), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  hash = (hash ^ (hash >>> 16)) >>> 0;
  return Math.floor((hash / 2 ** 32) * range);
}
