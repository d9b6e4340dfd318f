/**
 * Finds in JSONata's syntax tree what an expression reads, without running the expression.
 *
 * A context is the place that `$` stands for: the field names from the root, or undefined where only a run can tell.
 * Results of wildcards, functions and filters have no known place, so what an expression reads below them is not
 * reported.
 *
 * @typedef {readonly string[] | undefined} Context
 * @typedef {{ type: string, value?: any, [field: string]: any }} Node
 * @typedef {{ paths: string[][], variables: string[] }} References
 */

/** The most names of a path that are reported. No check looks at deeper fields. */
const MAX_NAMES = 16;

/** @param {Node} node @param {(node: Node) => void} visit every node below and the node itself */
function walk(node, visit) {
  if (typeof node !== 'object' || node === null) return;
  if (Array.isArray(node)) {
    for (const item of node) walk(item, visit);
    return;
  }
  visit(node);
  for (const [field, value] of Object.entries(node)) {
    // The parser links a use of the parent operator to the node that it means. That node is visited at its own place.
    if (field !== 'ancestor' && field !== 'seekingParent' && field !== 'slot') walk(value, visit);
  }
}

/** How often each variable is bound in an expression, by any construct that binds one. @param {Node} ast */
function bindingsOf(ast) {
  /** @type {Map<string, number>} */
  const bound = new Map();
  const bind = (/** @type {string} */ name) => bound.set(name, (bound.get(name) ?? 0) + 1);
  walk(ast, (node) => {
    if (node.type === 'bind') bind(node['lhs'].value);
    if (node.type === 'lambda') for (const argument of node['arguments']) bind(argument.value);
    if (typeof node['focus'] === 'string') bind(node['focus']);
    if (typeof node['index'] === 'string') bind(node['index']);
    if (node.type === 'index') bind(node.value);
  });
  return bound;
}

class Reader {
  /** @type {Map<string, string[]>} */
  paths = new Map();
  /** @type {Set<string>} */
  variables = new Set();
  /** @type {Map<string, Context>} */
  #aliases = new Map();
  #bound;

  /** @param {Map<string, number>} bound */
  constructor(bound) {
    this.#bound = bound;
  }

  /**
   * Reads a node for which `$` is `context`, and returns the place of the node's value. @param {Node | undefined} node
   * @param {Context} context @returns {Context}
   */
  read(node, context) {
    if (node === undefined) return undefined;
    const at = this.#readPlain(node, context);
    for (const stage of [...(node['predicate'] ?? []), ...(node['stages'] ?? [])]) this.read(stage.expr, at);
    if (node['group'] !== undefined) {
      this.#pairs(node['group'].lhs, at);
      return undefined;
    }
    return at;
  }

  /** @param {Node} node @param {Context} context @returns {Context} */
  #readPlain(node, context) {
    switch (node.type) {
      case 'path':
        return this.#path(node['steps'], context);
      case 'name':
        return this.#below(context, node.value);
      case 'variable':
        return this.#variable(node.value, context);
      case 'block': {
        /** @type {Context} */
        let last;
        for (const expression of node['expressions']) last = this.read(expression, context);
        return last;
      }
      case 'bind': {
        const at = this.read(node['rhs'], context);
        if (this.#bound.get(node['lhs'].value) === 1) this.#aliases.set(node['lhs'].value, at);
        return at;
      }
      case 'function':
      case 'partial':
        this.read(node['procedure'], context);
        for (const argument of node['arguments']) this.read(argument, context);
        return undefined;
      case 'lambda':
        // Within a function, `$` has the meaning that it has where the function is written.
        this.read(node['body'], context);
        return undefined;
      case 'transform':
        this.read(node['pattern'], undefined);
        this.read(node['update'], undefined);
        this.read(node['delete'], undefined);
        return undefined;
      case 'unary':
        if (node.value === '{') this.#pairs(node['lhs'], context);
        for (const item of node['expressions'] ?? []) this.read(item, context);
        this.read(node['expression'], context);
        return undefined;
      case 'condition':
        this.read(node['condition'], context);
        this.read(node['then'], context);
        this.read(node['else'], context);
        return undefined;
      case 'sort':
        for (const term of node['terms']) this.read(term.expression, context);
        return context;
      case 'binary':
      case 'apply':
        this.read(node['lhs'], context);
        this.read(node['rhs'], context);
        return undefined;
      default:
        // Values, wildcards, the parent operator, and nodes that a later version of JSONata adds.
        return undefined;
    }
  }

  /** @param {readonly Node[]} steps @param {Context} context @returns {Context} */
  #path(steps, context) {
    let at = context;
    /** @type {Context} */
    let deepest;
    for (const step of steps) {
      const found = this.read(step, at);
      deepest = found ?? deepest;
      // `@$name` is a join: the next step starts from the place before it, not from its result.
      at = step['focus'] === undefined ? found : undefined;
    }
    if (deepest !== undefined && deepest.length > 0) this.paths.set(JSON.stringify(deepest), [...deepest]);
    return at;
  }

  /** @param {readonly Node[][]} pairs @param {Context} context */
  #pairs(pairs, context) {
    for (const pair of pairs) for (const part of pair) this.read(part, context);
  }

  /** @param {Context} context @param {string} name @returns {Context} */
  #below(context, name) {
    if (context === undefined) return undefined;
    // A path that is longer is reported by its first names.
    if (context.length >= MAX_NAMES) return context;
    return [...context, name];
  }

  /** @param {string} name @param {Context} context @returns {Context} */
  #variable(name, context) {
    if (name === '') return context;
    if (name === '$') return [];
    if (this.#bound.has(name)) return this.#aliases.get(name);
    this.variables.add(name);
    return undefined;
  }
}

/**
 * The paths that an expression reads from the root, each once, and the variables that it uses without binding them,
 * functions included.
 * @param {Node} ast from JSONata's parser
 * @returns {References}
 */
export function referencesOf(ast) {
  const reader = new Reader(bindingsOf(ast));
  reader.read(ast, []);
  return { paths: [...reader.paths.values()], variables: [...reader.variables] };
}
