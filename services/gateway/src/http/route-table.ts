interface Route {
  readonly pattern: RegExp;
  readonly methods: Set<string>;
  /** Which path segments are fixed: of two routes for one path, the router takes the one that is fixed earlier. */
  readonly fixed: string;
}

/** Which methods each path knows, so that a wrong one gets 405 with `Allow` instead of 404. */
export class RouteTable {
  readonly #routes = new Map<string, Route>();
  readonly #sockets: readonly RegExp[];

  /** `sockets`: paths of WebSockets, which have no route. */
  constructor(sockets: readonly RegExp[] = []) {
    this.#sockets = sockets;
  }

  isSocket(path: string): boolean {
    return this.#sockets.some((pattern) => pattern.test(path));
  }

  /** Adds a route in the router's notation, such as `/executions/:id/events`. */
  add(url: string, methods: readonly string[]): void {
    // What serves every path says nothing about one.
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

  /** The methods at a path, OPTIONS among them; none when nothing is there. */
  methodsOf(path: string): string[] {
    if (this.isSocket(path)) return ['GET', 'OPTIONS'];
    let best: Route | undefined;
    for (const route of this.#routes.values()) {
      if (route.pattern.test(path) && (best === undefined || route.fixed > best.fixed)) best = route;
    }
    return best === undefined ? [] : [...new Set([...best.methods, 'OPTIONS'])].sort();
  }
}
