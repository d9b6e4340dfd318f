// A bundle gives a class another name when two files have one of the same; names of classes are seen in logs and in the API.
import { parseSync } from '@swc/core';

/**
 * The source with each named class told its name, on the same lines. A class with a static member called `name` stays as it is.
 * @throws Error for what is no JavaScript.
 */
export function namedClasses(source) {
  if (!/\bclass\b/.test(source)) return source;
  const bytes = Buffer.from(source);
  const insertions = [];
  visit(parseSync(source, { syntax: 'ecmascript', target: 'es2022', isModule: 'unknown' }), undefined, (node, name) => {
    if (node.body.some((member) => member.isStatic === true && member.key?.value === 'name')) return;
    // Positions are bytes from 1.
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

/** Calls `found` for each class that has a name of its own or that of the variable it is put into. */
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
