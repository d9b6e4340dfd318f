// A bundle renames a class when two files have a class of the same name. Names of classes are visible in logs and in
// the API.
import { parseSync } from '@swc/core';

/**
 * Adds its name to each named class of a source, without changing line numbers. A class with a static member `name`
 * stays unchanged.
 * @throws Error when the source is not JavaScript.
 */
export function namedClasses(source) {
  if (!/\bclass\b/.test(source)) return source;
  const bytes = Buffer.from(source);
  const insertions = [];
  visit(parseSync(source, { syntax: 'ecmascript', target: 'es2022', isModule: 'unknown' }), undefined, (node, name) => {
    if (node.body.some((member) => member.isStatic === true && member.key?.value === 'name')) return;
    // Positions are bytes, counted from 1.
    const from = (node.superClass ?? node.identifier)?.span.end ?? node.span.start + 'class'.length;
    const brace = bytes.indexOf('{', from - 1);
    insertions.push({
      at: brace + 1,
      text: ` static { Object.defineProperty(this, 'name', { value: '${name}', configurable: true }); }`,
    });
  });
  let result = '';
  let done = 0;
  for (const { at, text } of insertions.sort((one, other) => one.at - other.at)) {
    result += bytes.toString('utf8', done, at) + text;
    done = at;
  }
  return result + bytes.toString('utf8', done);
}

/** Calls `found` for each class with its own name or the name of its variable. */
function visit(node, inherited, found) {
  if (Array.isArray(node)) {
    for (const item of node) visit(item, undefined, found);
    return;
  }
  if (node === null || typeof node !== 'object') return;
  if (node.type === 'ClassDeclaration' || node.type === 'ClassExpression') {
    const name = node.identifier?.value ?? inherited;
    if (name !== undefined) found(node, name);
  }
  for (const [key, value] of Object.entries(node)) {
    const name =
      node.type === 'VariableDeclarator' && key === 'init' && node.id.type === 'Identifier'
        ? node.id.value
        : node.type === 'AssignmentExpression' && key === 'right' && node.left.type === 'Identifier'
          ? node.left.value
          : undefined;
    visit(value, name, found);
  }
}
