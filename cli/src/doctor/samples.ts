/** One line of Prometheus' text format. */
export interface Sample {
  readonly name: string;
  readonly labels: string;
  readonly value: number;
}

const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)(?: \d+)?$/;

/**
 * Reads Prometheus' text format (https://prometheus.io/docs/instrumenting/exposition_formats/). Ignores lines without a
 * number.
 */
export function samplesOf(text: string): Sample[] {
  const samples: Sample[] = [];
  for (const line of text.split('\n')) {
    const [, name, labels = '', raw = ''] = LINE.exec(line) ?? [];
    const value = Number(raw);
    if (name !== undefined && Number.isFinite(value)) samples.push({ name, labels, value });
  }
  return samples;
}
