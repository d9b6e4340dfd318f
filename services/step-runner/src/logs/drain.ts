/** One kind of message: the tokens that its lines have in common, with `<*>` where they differ. */
export interface LogCluster {
  template: string[];
  count: number;
  readonly example: string;
  readonly firstLine: number;
  lastLine: number;
}

interface DrainOptions {
  /** How many clusters are kept. A new one replaces the one that was unused for longest. Default 1,000. */
  readonly maxClusters?: number;
  /** A line belongs to a cluster from this share of equal tokens on, 0 to 1. Default 0.4. */
  readonly similarity?: number;
  /**
   * How many tokens at the front decide the way through the tree. Default 1 (the meaning of depth 4 in the authors' own
   * program).
   */
  readonly prefixTokens?: number;
  /** Branches of one node. Further tokens share the branch `<*>`. Default 100. */
  readonly maxChildren?: number;
}

interface Node {
  readonly children: Map<string, Node>;
  clusters: LogCluster[];
}

const WILDCARD = '<*>';
const LONGEST_TOKENS = 200;

/**
 * Groups log messages by the Drain algorithm: P. He, J. Zhu, Z. Zheng, M. R. Lyu, "Drain: An Online Log Parsing
 * Approach with Fixed Depth Tree", ICWS 2017. A tree of fixed depth (number of tokens, then the first tokens) leads
 * each line to a few clusters, and the line joins the most similar one. `maxClusters` limits the memory, for any number
 * of lines.
 */
export class Drain {
  /** Lines of clusters that were dropped. */
  forgottenLines = 0;
  forgottenClusters = 0;
  readonly #root: Node = { children: new Map(), clusters: [] };
  /** The clusters in order of use, oldest first, each with its way through the tree. */
  readonly #ways = new Map<LogCluster, readonly string[]>();
  readonly #maxClusters: number;
  readonly #similarity: number;
  readonly #prefixTokens: number;
  readonly #maxChildren: number;

  constructor(options: DrainOptions = {}) {
    this.#maxClusters = options.maxClusters ?? 1_000;
    this.#similarity = options.similarity ?? 0.4;
    this.#prefixTokens = options.prefixTokens ?? 1;
    this.#maxChildren = options.maxChildren ?? 100;
  }

  /** The current clusters, in no particular order. */
  get clusters(): readonly LogCluster[] {
    return [...this.#ways.keys()];
  }

  /** Adds one message and returns its cluster. `line` is its number, for the cluster's first and last line. */
  add(message: string, line: number): LogCluster {
    const tokens = tokensOf(message);
    const way = this.#wayOf(tokens);
    let leaf = this.#root;
    for (const step of way) {
      let next = leaf.children.get(step);
      if (next === undefined) {
        next = { children: new Map(), clusters: [] };
        leaf.children.set(step, next);
      }
      leaf = next;
    }
    const found = mostSimilar(leaf.clusters, tokens, this.#similarity);
    if (found !== undefined) {
      for (let index = 0; index < tokens.length; index++) {
        if (found.template[index] !== tokens[index]) found.template[index] = WILDCARD;
      }
      found.count += 1;
      found.lastLine = Math.max(found.lastLine, line);
      this.#ways.delete(found);
      this.#ways.set(found, way);
      return found;
    }
    const cluster: LogCluster = { template: tokens, count: 1, example: message, firstLine: line, lastLine: line };
    leaf.clusters.push(cluster);
    this.#ways.set(cluster, way);
    if (this.#ways.size > this.#maxClusters) this.#forgetOldest();
    return cluster;
  }

  #wayOf(tokens: readonly string[]): string[] {
    const way = [String(tokens.length)];
    let node = this.#root.children.get(way[0] ?? '');
    for (let index = 0; index < Math.min(this.#prefixTokens, tokens.length); index++) {
      const token = tokens[index] ?? '';
      // The paper puts tokens with digits into one branch, because most of them are variables.
      let step = /\d/.test(token) ? WILDCARD : token;
      if (node !== undefined && !node.children.has(step) && node.children.size >= this.#maxChildren) step = WILDCARD;
      way.push(step);
      node = node?.children.get(step);
    }
    return way;
  }

  #forgetOldest(): void {
    for (const [cluster, way] of this.#ways) {
      this.#ways.delete(cluster);
      this.forgottenLines += cluster.count;
      this.forgottenClusters += 1;
      this.#prune(this.#root, way, 0, cluster);
      return;
    }
  }

  #prune(node: Node, way: readonly string[], depth: number, cluster: LogCluster): void {
    const step = way[depth];
    if (step === undefined) {
      node.clusters = node.clusters.filter((one) => one !== cluster);
      return;
    }
    const child = node.children.get(step);
    if (child === undefined) return;
    this.#prune(child, way, depth + 1, cluster);
    if (child.clusters.length === 0 && child.children.size === 0) node.children.delete(step);
  }
}

function mostSimilar(
  clusters: readonly LogCluster[],
  tokens: readonly string[],
  least: number,
): LogCluster | undefined {
  let best: LogCluster | undefined;
  let bestEqual = -1;
  let bestWildcards = -1;
  for (const cluster of clusters) {
    let equal = 0;
    let wildcards = 0;
    for (let index = 0; index < tokens.length; index++) {
      const part = cluster.template[index];
      if (part === tokens[index]) equal += 1;
      else if (part === WILDCARD) wildcards += 1;
    }
    if (equal > bestEqual || (equal === bestEqual && wildcards > bestWildcards)) {
      best = cluster;
      bestEqual = equal;
      bestWildcards = wildcards;
    }
  }
  return tokens.length === 0 || bestEqual >= least * tokens.length ? best : undefined;
}

/** Tokens whose form alone shows that they are variables (the paper's preprocessing by domain knowledge). */
const VARIABLE =
  /^[^\w<]*(?:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\d{1,3}(?:\.\d{1,3}){3}(?::\d+)?|0x[0-9a-f]+|[0-9a-f]*\d[0-9a-f]{7,}|[-+]?\d+(?:[.,:]\d+)*(?:[a-zµ%]{1,3})?)[^\w]*$/i;

function tokensOf(message: string): string[] {
  const tokens: string[] = [];
  const end = message.length;
  let at = 0;
  while (tokens.length < LONGEST_TOKENS) {
    while (at < end && isSpace(message.charCodeAt(at))) at += 1;
    if (at >= end) break;
    const start = at;
    let hasDigit = false;
    for (; at < end; at++) {
      const code = message.charCodeAt(at);
      if (isSpace(code)) break;
      if (code >= 48 && code <= 57) hasDigit = true;
    }
    const token = message.slice(start, at);
    // Variables contain digits, and most words do not.
    tokens.push(hasDigit && token.length <= 80 && VARIABLE.test(token) ? WILDCARD : token);
  }
  // A message without text is also a kind of message.
  return tokens.length === 0 ? [''] : tokens;
}

const OTHER_SPACES = new Set([0xa0, 0x1680, 0x2028, 0x2029, 0x202f, 0x205f, 0x3000, 0xfeff]);

/** White space as in regular expressions. */
function isSpace(code: number): boolean {
  if (code <= 32) return code === 32 || (code >= 9 && code <= 13);
  if (code < 160) return false;
  return (code >= 0x2000 && code <= 0x200a) || OTHER_SPACES.has(code);
}
