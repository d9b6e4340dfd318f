import { collectProcessMetrics, exposeMetrics } from '@batuta/observability';
import { describe, expect, it } from '@jest/globals';
import { parser } from '@prometheus-io/lezer-promql';
import { parse } from 'yaml';
import { filesBelow, read } from './places.js';

interface Expression {
  readonly from: string;
  readonly text: string;
}

interface Selection {
  readonly from: string;
  readonly metric: string;
  readonly labels: readonly string[];
}

interface Dashboard {
  readonly uid: string;
  readonly title: string;
  readonly panels: readonly {
    readonly id: number;
    readonly title: string;
    readonly targets: readonly { readonly expr: string; readonly refId: string }[];
    readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  }[];
}

interface Alert {
  readonly alert: string;
  readonly expr: string;
  readonly labels: { readonly severity: string };
  readonly annotations: { readonly summary: string };
}

const alerts = (parse(read('deploy/prometheus/rules.yml')) as { groups: { rules: Alert[] }[] }).groups.flatMap(
  ({ rules }) => rules,
);
const dashboards = filesBelow('deploy/grafana/dashboards').map((path) => ({
  path,
  board: JSON.parse(read(path)) as Dashboard,
}));

const expressions: Expression[] = [
  ...alerts.map(({ alert, expr }) => ({ from: alert, text: expr })),
  ...dashboards.flatMap(({ path, board }) =>
    board.panels.flatMap(({ title, targets }) =>
      targets.map(({ expr }) => ({ from: `${path}: ${title}`, text: expr })),
    ),
  ),
];

/** What an expression selects; throws when it is not PromQL. Grafana's variables stand for durations. */
function selectionsOf({ from, text }: Expression): Selection[] {
  const query = text.replaceAll(/\$__\w+/g, '5m');
  const selections: Selection[] = [];
  const labelsOf = (start: number, end: number): string[] => {
    const labels: string[] = [];
    parser.parse(query).iterate({
      from: start,
      to: end,
      enter: (node) => {
        if (node.name === 'LabelName' && node.from >= start && node.to <= end)
          labels.push(query.slice(node.from, node.to));
      },
    });
    return labels;
  };
  parser.parse(query).iterate({
    enter: (node) => {
      if (node.type.isError) throw new Error(`${from}: not PromQL at "${query.slice(node.from, node.from + 30)}"`);
      if (node.name !== 'VectorSelector') return;
      const name = node.node.getChild('Identifier');
      selections.push({
        from,
        metric: name === null ? '' : query.slice(name.from, name.to),
        labels: labelsOf(node.from, node.to),
      });
    },
  });
  return selections;
}

/** Name → labels of the metrics that the code makes, by its calls of counter, gauge and histogram. */
function metricsOfSource(): Map<string, { kind: string; labels: readonly string[] }> {
  const declared = new Map<string, { kind: string; labels: readonly string[] }>();
  const text = String.raw`(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|${'`'}[^${'`'}]*${'`'})`;
  const call = new RegExp(
    String.raw`\b(counter|gauge|histogram)(?:<[^>]*>)?\(\s*'(batuta_[a-z0-9_]+)',\s*${text}(?:\s*\+\s*${text})*,?\s*(\[[^\]]*\])?`,
    'g',
  );
  for (const path of ['libs', 'services'].flatMap(filesBelow)) {
    if (!/\/src\/.+\.ts$/.test(path) || path.endsWith('.spec.ts')) continue;
    for (const [, kind = '', name = '', labels = ''] of read(path).matchAll(call)) {
      declared.set(name, { kind, labels: [...labels.matchAll(/'([a-z_]+)'/g)].map((match) => match[1] ?? '') });
    }
  }
  return declared;
}

/** Names of the metrics that prom-client adds to every process. */
async function metricsOfProcess(): Promise<Set<string>> {
  collectProcessMetrics();
  const { body } = await exposeMetrics();
  return new Set([...body.matchAll(/^# TYPE (\S+)/gm)].map((match) => match[1] ?? ''));
}

// What Prometheus itself adds to everything that it reads.
const addedLabels = ['service', 'instance', 'job', 'le', 'namespace', 'pod'];

describe('dashboards and alert rules', () => {
  it('are valid PromQL and use only metrics and labels that the services export', async () => {
    const declared = metricsOfSource();
    const ofProcess = await metricsOfProcess();
    expect(declared.size).toBeGreaterThan(10);
    const wrong = expressions.flatMap(selectionsOf).flatMap(({ from, metric, labels }) => {
      if (metric === 'up' || ofProcess.has(metric)) return [];
      const base = declared.get(metric) ?? declared.get(metric.replace(/_(bucket|sum|count)$/, ''));
      if (base === undefined) return [`${from}: nothing exports ${metric}`];
      if ((base.kind === 'histogram') !== /_(bucket|sum|count)$/.test(metric))
        return [`${from}: ${metric} is a ${base.kind}`];
      return labels
        .filter((label) => !addedLabels.includes(label) && !base.labels.includes(label))
        .map((label) => `${from}: ${metric} has no label ${label}`);
    });
    expect(wrong).toEqual([]);
  });

  it('ask only for kinds of work that the engine counts', () => {
    const counters = read('services/execution/src/partitions/counters.ts');
    const kinds = new Set(
      expressions.flatMap(({ text }) => [...text.matchAll(/kind="(\w+)"/g)].map((match) => match[1])),
    );
    expect([...kinds].filter((kind) => !counters.includes(`  ${kind}: number;`))).toEqual([]);
  });

  it('tell a metric that nobody exports from one that somebody does', () => {
    expect(
      selectionsOf({ from: 'here', text: 'sum(rate(batuta_nothing_total{tenant="a"}[$__rate_interval]))' }),
    ).toEqual([{ from: 'here', metric: 'batuta_nothing_total', labels: ['tenant'] }]);
    expect(() => selectionsOf({ from: 'here', text: 'sum(rate(a[5m])' })).toThrow('here: not PromQL');
  });
});

describe('the alert rules', () => {
  it('are each explained in the operations guide', () => {
    const guide = read('docs/operations.md');
    for (const { alert } of alerts) expect(guide).toContain(`### ${alert}\n`);
    const explained = [...guide.matchAll(/^### (Batuta\w+)$/gm)].map((match) => match[1]);
    expect(explained).toEqual(alerts.map(({ alert }) => alert));
  });

  it('each say how bad it is and what happens', () => {
    for (const { labels, annotations } of alerts) {
      expect(['critical', 'warning', 'info']).toContain(labels.severity);
      expect(annotations.summary).not.toBe('');
    }
  });
});

describe('the dashboards', () => {
  it('have ids of their own and panels that do not overlap', () => {
    expect(new Set(dashboards.map(({ board }) => board.uid)).size).toBe(dashboards.length);
    for (const { path, board } of dashboards) {
      const cells = board.panels.flatMap(({ gridPos: { x, y, w, h } }) =>
        Array.from({ length: w * h }, (_, cell) => `${x + (cell % w)},${y + Math.floor(cell / w)}`),
      );
      expect({ path, overlapping: cells.length - new Set(cells).size }).toEqual({ path, overlapping: 0 });
      expect(new Set(board.panels.map(({ id }) => id)).size).toBe(board.panels.length);
      expect(board.panels.every(({ gridPos }) => gridPos.x + gridPos.w <= 24)).toBe(true);
    }
  });

  it('all reach Grafana in Kubernetes too', () => {
    const { configMapGenerator } = parse(read('deploy/grafana/kustomization.yaml')) as {
      configMapGenerator: { files: string[] }[];
    };
    const listed = configMapGenerator.flatMap(({ files }) => files.map((file) => `deploy/grafana/${file}`));
    expect(listed.toSorted()).toEqual(dashboards.map(({ path }) => path).toSorted());
  });
});
