/** The text of docs/operations.md with a row for the subject of each operation. */
export function withSubjectRows(
  text: string,
  operations: readonly { readonly subject: string; readonly service: string; readonly askedBy: readonly string[] }[],
  services: readonly string[],
): string;
