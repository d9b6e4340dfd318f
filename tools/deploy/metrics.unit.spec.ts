import { collectProcessMetrics, exposeMetrics } from '@batuta/observability';
import { describe, expect, it } from '@jest/globals';
import { parse } from 'yaml';
import { EVENTS } from '../../services/execution/src/domain/index.js';
import { filesBelow, read } from './places.js';
import { alerts, dashboards, expressions, groupingsOf, selectionsOf } from './promql.js';

interface Declared {
  readonly isHistogram: boolean;
  readonly labels: readonly string[];
}

/** Finds a metric among those that count events, by the definitions of the events. */
function metricsOfEvents(): (name: string) => Declared | undefined {
  const metrics = Object.values(EVENTS).flatMap(({ measures }) => measures?.metrics ?? []);
  const declared = new Map(
    metrics.map(({ name, type, labels }): [string, Declared] => [
      name,
      { isHistogram: type === 'distribution', labels },
    ]),
  );
  return (name) => declared.get(name);
}

/**
 * Finds a metric among those that the code creates, by the calls of counter, gauge, histogram and functions built on
 * them. A name with a part that is filled in at run time is accepted if the same file contains that part as a string.
 */
function metricsOfSource(): (name: string) => Declared | undefined {
  const text = /(?:'(?:[^'\\]|\\.)*'|"(?:[^"\\]|\\.)*"|`[^`]*`|\w+)/.source;
  const call = new RegExp(
    String.raw`\b(counter|tallies|gauge|histogram|distributions)(?:<[^>]*>)?\(\s*(['${'`'}])(batuta_[\w$\{\}]+)\2,\s*${text}(?:\s*\+\s*${text})*,?\s*(\[[^\]]*\])?`,
    'g',
  );
  const declared = ['libs', 'services']
    .flatMap(filesBelow)
    .filter((path) => /\/src\/.+\.ts$/.test(path) && !path.endsWith('.spec.ts'))
    .map(read)
    .flatMap((source) =>
      [...source.matchAll(call)].map(([, kind = '', , name = '', labels = '']) => ({
        source,
        pattern: new RegExp(`^${name.replace(/\$\{\w+\}/, '([a-z_]+)')}$`),
        isHistogram: kind === 'histogram' || kind === 'distributions',
        labels: [...labels.matchAll(/'([a-z_]+)'/g)].map((match) => match[1] ?? ''),
      })),
    );
  return (name) =>
    declared.find(({ pattern, source }) => {
      const match = pattern.exec(name);
      return match !== null && (match[1] === undefined || source.includes(`'${match[1]}'`));
    });
}

/** Names of the metrics that prom-client adds to every process. */
async function metricsOfProcess(): Promise<Set<string>> {
  collectProcessMetrics();
  const { body } = await exposeMetrics();
  return new Set([...body.matchAll(/^# TYPE (\S+)/gm)].map((match) => match[1] ?? ''));
}

/** What the exporter of nats-server exports, as far as rules use it: its collectors have no names that could be read here. */
const OF_NATS: Readonly<Record<string, readonly string[]>> = {
  gnatsd_varz_slow_consumers: ['server_id'],
  jetstream_server_total_message_bytes: ['server_id', 'server_name'],
  jetstream_server_max_storage: ['server_id', 'server_name'],
  jetstream_stream_total_messages: ['server_id', 'server_name', 'stream_name', 'is_stream_leader'],
};

// Labels that Prometheus adds to everything that it scrapes.
const addedLabels = ['service', 'instance', 'job', 'le', 'namespace', 'pod'];

describe('dashboards and alert rules', () => {
  it('are valid PromQL and use only metrics and labels that the services export', async () => {
    const ofEvents = metricsOfEvents();
    const ofSource = metricsOfSource();
    const ofNats = (name: string): Declared | undefined => {
      const labels = OF_NATS[name];
      return labels === undefined ? undefined : { isHistogram: false, labels };
    };
    const declared = (name: string): Declared | undefined => ofNats(name) ?? ofEvents(name) ?? ofSource(name);
    const ofProcess = await metricsOfProcess();
    expect(declared('batuta_engine_takeovers_total')).toBeDefined();
    expect(declared('batuta_step_attempts_total')).toEqual({ isHistogram: false, labels: ['agent', 'outcome'] });
    expect(declared('batuta_engine_nothings_total')).toBeUndefined();
    const wrong = expressions.flatMap((expression) => {
      const known = new Set(addedLabels);
      const problems = selectionsOf(expression).flatMap(({ from, metric, labels }) => {
        if (metric === 'up' || ofProcess.has(metric)) return [];
        const isPart = /_(bucket|sum|count)$/.test(metric);
        const base = declared(isPart ? metric.replace(/_(bucket|sum|count)$/, '') : metric);
        if (base === undefined) return [`${from}: nothing exports ${metric}`];
        if (base.isHistogram !== isPart) return [`${from}: ${metric} is not what the name says`];
        for (const label of base.labels) known.add(label);
        return labels
          .filter((label) => !addedLabels.includes(label) && !base.labels.includes(label))
          .map((label) => `${from}: ${metric} has no label ${label}`);
      });
      const groups = groupingsOf(expression).filter((label) => !known.has(label));
      return [...problems, ...groups.map((label) => `${expression.from}: groups by ${label}, which nothing in it has`)];
    });
    expect(wrong).toEqual([]);
  });

  it('reports a metric that no service exports', () => {
    expect(
      selectionsOf({ from: 'here', text: 'sum(rate(batuta_nothing_total{tenant="a"}[$__rate_interval]))' }),
    ).toEqual([{ from: 'here', metric: 'batuta_nothing_total', labels: ['tenant'] }]);
    expect(groupingsOf({ from: 'here', text: 'sum by (le, agent) (a{b="c"}) + max without (d) (e)' })).toEqual([
      'le',
      'agent',
      'd',
    ]);
    expect(() => selectionsOf({ from: 'here', text: 'sum(rate(a[5m])' })).toThrow('here: not PromQL');
  });
});

describe('the alert rules', () => {
  it('each have a page with meaning, checks and actions, and the guide lists all of them', () => {
    const pages = filesBelow('docs/runbooks');
    expect(pages.toSorted()).toEqual(alerts.map(({ alert }) => `docs/runbooks/${alert}.md`).toSorted());
    for (const { alert, annotations } of alerts) {
      const [title, ...sections] = read(`docs/runbooks/${alert}.md`).split(/^## /m);
      expect(title).toContain(`# ${alert}\n`);
      expect(sections.map((section) => section.split('\n')[0]).slice(0, 3)).toEqual([
        'What it means',
        'What to look at',
        'What to do',
      ]);
      for (const section of sections) expect(section.split('\n').slice(1).join('').trim()).not.toBe('');
      expect(annotations.runbook).toBe(`docs/runbooks/${alert}.md`);
    }
    const listed = [...read('docs/operations.md').matchAll(/^\| \[(Batuta\w+)\]\(runbooks\/\1\.md\)/gm)];
    expect(listed.map((match) => match[1])).toEqual(alerts.map(({ alert }) => alert));
  });

  it('each have a severity and a description', () => {
    for (const { labels, annotations } of alerts) {
      expect(['critical', 'warning', 'info']).toContain(labels.severity);
      expect(annotations.summary).not.toBe('');
    }
  });
});

describe('the dashboards', () => {
  it('have unique ids, and panels that do not overlap', () => {
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

  it('are all provided to Grafana in Kubernetes too', () => {
    const { configMapGenerator } = parse(read('deploy/grafana/kustomization.yaml')) as {
      configMapGenerator: { files: string[] }[];
    };
    const listed = configMapGenerator.flatMap(({ files }) => files.map((file) => `deploy/grafana/${file}`));
    expect(listed.toSorted()).toEqual(dashboards.map(({ path }) => path).toSorted());
  });
});
