/** How far the partial output of a step was read. */
export interface OutputPlace {
  readonly attempt: number;
  /** Number of the last part of the attempt that was read; Infinity when its end was. */
  readonly seq: number;
}

/** A place as users see it: `<attempt>.<part>`, or `<attempt>.end`. */
export const PLACE = /^([1-9]\d{0,8})\.(0|[1-9]\d{0,8}|end)$/;

/** The place that a text names; undefined when it names none. */
export function placeOf(text: string): OutputPlace | undefined {
  const [, attempt, seq] = PLACE.exec(text) ?? [];
  if (attempt === undefined || seq === undefined) return undefined;
  return { attempt: Number(attempt), seq: seq === 'end' ? Infinity : Number(seq) };
}

export const placeText = ({ attempt, seq }: OutputPlace): string =>
  `${attempt}.${seq === Infinity ? 'end' : String(seq)}`;
