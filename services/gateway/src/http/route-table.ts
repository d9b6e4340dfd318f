interface Route {
  readonly pattern: RegExp;
  readonly methods: Set<string>;
  /**
   * Which path segments are fixed. If two routes match a path, the router takes the one with the earlier fixed segment.
   */
  readonly fixed: string;
}

/** The methods of each path, so that a wrong method gets 405 with `Allow` instead of 404. */
export class RouteTable {
  readonly #routes = new Map<string, Route>();
  readonly #sockets: readonly RegExp[];

  /** `sockets`: paths of WebSockets, which have no HTTP route. */
  constructor(sockets: readonly RegExp[] = []) {
    this.#sockets = sockets;
  }

  isSocket(path: string): boolean {
    return this.#sockets.some((pattern) => pattern.test(path));
  }

  /** Adds a route in the router's notation, such as `/executions/:id/events`. */
  add(url: string, methods: readonly string[]): void {
    // A handler for every path says nothing about a single path.
    if (url === '*') return;
    let route = this.#routes.get(url);
    if (route === undefined) {
      const parts = url.split('/');
      const source = parts
        .map((part) => {
          if (part.startsWith(':')) return '[^/]+';
          return part === '*' ? '.*' : part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`);
        })
        .join('/');
      const fixed = parts.map((part) => (part === '*' ? '0' : part.startsWith(':') ? '1' : '2')).join('');
      route = { pattern: new RegExp(`^${source}$`), methods: new Set(), fixed };
      this.#routes.set(url, route);
    }
    for (const method of methods) route.methods.add(method);
  }

  /** The methods of a path, including OPTIONS. Empty when the path does not exist. */
  methodsOf(path: string): string[] {
    if (this.isSocket(path)) return ['GET', 'OPTIONS'];
    let best: Route | undefined;
    for (const route of this.#routes.values()) {
      if (route.pattern.test(path) && (best === undefined || route.fixed > best.fixed)) best = route;
    }
    return best === undefined ? [] : [...new Set([...best.methods, 'OPTIONS'])].sort();
  }
}
