/** The beginning of a subject's row in the table of docs/operations.md. */
const begins = (subject) => `| \`${subject}\` |`;

/**
 * The text of docs/operations.md with a row for the subject of each operation: who sends requests on it, and who
 * answers. Rows of other subjects stay. `services`: the order in which they are listed.
 */
export function withSubjectRows(text, operations, services) {
  const lines = text.split('\n');
  // Commands to streams have one row, with more information than the table of operations.
  const subjects = new Set(operations.map(({ subject }) => subject).filter((subject) => !subject.includes('*')));
  for (const subject of subjects) {
    const same = operations.filter((operation) => operation.subject === subject);
    const [{ service }] = same;
    const asking = services.filter((name) => same.some(({ askedBy }) => askedBy.includes(name)));
    const row = `${begins(subject)} ${asking.join(', ')} | ${service} |`;
    const at = lines.findIndex((line) => line.startsWith(begins(subject)));
    if (at >= 0) {
      lines[at] = row;
      continue;
    }
    const near = subject.slice(0, subject.lastIndexOf('.'));
    const after = lines.findLastIndex((line) => line.startsWith(`| \`${near}.`));
    const ofService = lines.findLastIndex((line) => line.startsWith(`| \`batuta.${service}.`));
    lines.splice((after >= 0 ? after : ofService) + 1, 0, row);
  }
  return lines.join('\n');
}
