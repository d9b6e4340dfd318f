import { spawnSync } from 'node:child_process';
import { isAbsolute, join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { root } from './places.js';

export interface KubernetesObject {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata: {
    readonly name: string;
    readonly namespace?: string;
    readonly labels?: Readonly<Record<string, string>>;
    readonly annotations?: Readonly<Record<string, string>>;
  };
  readonly [field: string]: unknown;
}

/**
 * The oldest minor version of kubectl 1 whose kustomize accepts folders as resources without a warning and supports
 * `patches`.
 */
const OLDEST = 27;

/** Whether PATH has a `kubectl` that can render the overlays. Debian's version 1.20 cannot. */
export const hasKubectl = isNewEnough(spawnSync('kubectl', ['version', '--client'], { encoding: 'utf8' }).stdout);

function isNewEnough(version: string | null): boolean {
  return Number(/Client Version:.*v1\.(\d+)/.exec(version ?? '')?.[1] ?? 0) >= OLDEST;
}

/**
 * The objects of an overlay in deploy/k8s, or of another kustomization, as `kubectl kustomize` renders them. Throws
 * with the output of kubectl when it fails or warns of deprecated fields.
 */
export function render(overlay: string): KubernetesObject[] {
  const place = isAbsolute(overlay) ? overlay : join(root, 'deploy/k8s/overlays', overlay);
  const { stdout, stderr, status } = spawnSync('kubectl', ['kustomize', place], { encoding: 'utf8' });
  if (status !== 0 || stderr !== '') throw new Error(`kubectl kustomize ended with ${status}: ${stderr}`);
  return objectsOf(stdout);
}

/** The objects in a YAML text. */
export function objectsOf(text: string): KubernetesObject[] {
  return parseAllDocuments(text).map((document) => {
    if (document.errors.length > 0) throw document.errors[0] as Error;
    return document.toJS() as KubernetesObject;
  });
}
