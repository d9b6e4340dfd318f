/** Values that proto-JSON allows for a double besides numbers; Batuta never sends them. */
type NonFinite = 'NaN' | 'Infinity' | '-Infinity';

type Plain<V> = V extends NonFinite ? never : V;

/**
 * A generated JSON type as Batuta writes it: every field is present but those named in `Optional`.
 * The generated types make all fields optional because proto3 JSON may leave out default values.
 */
export type Wire<T, Optional extends keyof T = never> = {
  [K in Exclude<keyof T, Optional>]-?: Plain<Exclude<T[K], undefined>>;
} & {
  [K in Optional]?: Plain<Exclude<T[K], undefined>>;
};

/** `T` with the fields of `U` in place of its own. */
export type Override<T, U> = Omit<T, keyof U> & U;
