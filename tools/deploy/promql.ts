import { parser } from '@prometheus-io/lezer-promql';
import { parse } from 'yaml';
import { filesBelow, read } from './places.js';

interface Expression {
  /** The alert or panel to which it belongs. */
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
  readonly annotations: { readonly summary: string; readonly runbook: string };
}

export const alerts: readonly Alert[] = (
  parse(read('deploy/prometheus/rules.yml')) as { groups: { rules: Alert[] }[] }
).groups.flatMap(({ rules }) => rules);

export const dashboards: readonly { readonly path: string; readonly board: Dashboard }[] = filesBelow(
  'deploy/grafana/dashboards',
).map((path) => ({ path, board: JSON.parse(read(path)) as Dashboard }));

/** Every expression of the alert rules and the dashboards. */
export const expressions: readonly Expression[] = [
  ...alerts.map(({ alert, expr }) => ({ from: alert, text: expr })),
  ...dashboards.flatMap(({ path, board }) =>
    board.panels.flatMap(({ title, targets }) =>
      targets.map(({ expr }) => ({ from: `${path}: ${title}`, text: expr })),
    ),
  ),
];

/** The series that an expression selects. Throws when it is not PromQL. Grafana's variables stand for durations. */
export function selectionsOf({ from, text }: Expression): Selection[] {
  const query = text.replaceAll(/\$__\w+/g, '5m');
  const tree = parser.parse(query);
  const selections: { from: string; metric: string; labels: string[]; end: number }[] = [];
  tree.iterate({
    enter: (node) => {
      if (node.type.isError) throw new Error(`${from}: not PromQL at "${query.slice(node.from, node.from + 30)}"`);
      if (node.name === 'VectorSelector') {
        const name = node.node.getChild('Identifier');
        const metric = name === null ? '' : query.slice(name.from, name.to);
        selections.push({ from, metric, labels: [], end: node.to });
      }
      // The tree is walked in the order of the text, so that a matcher belongs to its own selector.
      const current = selections.at(-1);
      if (node.name === 'LabelName' && current !== undefined && node.to <= current.end) {
        current.labels.push(query.slice(node.from, node.to));
      }
    },
  });
  return selections.map(({ metric, labels }) => ({ from, metric, labels }));
}

/** The labels by which an expression groups. */
export function groupingsOf({ text }: Expression): string[] {
  const query = text.replaceAll(/\$__\w+/g, '5m');
  const labels: string[] = [];
  parser.parse(query).iterate({
    enter: (node) => {
      if (node.name !== 'GroupingLabels') return;
      labels.push(...node.node.getChildren('LabelName').map(({ from, to }) => query.slice(from, to)));
    },
  });
  return labels;
}
