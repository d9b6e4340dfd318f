/** Values besides numbers that proto-JSON allows for a double. Batuta never sends them. */
type NonFinite = 'NaN' | 'Infinity' | '-Infinity';

type Plain<V> = V extends NonFinite ? never : V;

/**
 * A generated JSON type in the form in which Batuta writes it: every field except those in `Optional` is present. In
 * the generated types all fields are optional, because proto3 JSON may leave out default values.
 */
export type Wire<T, Optional extends keyof T = never> = {
  [K in Exclude<keyof T, Optional>]-?: Plain<Exclude<T[K], undefined>>;
} & {
  [K in Optional]?: Plain<Exclude<T[K], undefined>>;
};

/** `T` with its fields replaced by those of `U`. */
export type Override<T, U> = Omit<T, keyof U> & U;
