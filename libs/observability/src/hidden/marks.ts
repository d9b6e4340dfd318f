/** Replaces a value that nobody may see. */
export const HIDDEN = '***';

/** If the end of a text cuts off a value, this many characters of it reveal too much. */
export const LEAST_PART = 6;
