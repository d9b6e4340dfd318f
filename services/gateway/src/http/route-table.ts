interface Route {
  readonly pattern: RegExp;
  readonly methods: Set<string>;
}

/** Which methods each path knows, so that a wrong one gets 405 with `Allow` instead of 404. */
export class RouteTable {
  readonly #routes = new Map<string, Route>();

  /** Adds a route in the router's notation, such as `/executions/:id/events`. */
  add(url: string, methods: readonly string[]): void {
    let route = this.#routes.get(url);
    if (route === undefined) {
      const source = url
        .split('/')
        .map((part) => (part.startsWith(':') ? '[^/]+' : part.replaceAll(/[.*+?^${}()|[\]\\]/g, String.raw`\$&`)))
        .join('/');
      route = { pattern: new RegExp(`^${source}$`), methods: new Set() };
      this.#routes.set(url, route);
    }
    for (const method of methods) route.methods.add(method);
  }

  methodsOf(path: string): string[] {
    const found = new Set<string>();
    for (const { pattern, methods } of this.#routes.values()) {
      if (pattern.test(path)) for (const method of methods) found.add(method);
    }
    return [...found].sort();
  }
}
