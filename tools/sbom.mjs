// Prints the software bill of materials in CycloneDX format: everything that is installed, without what only developers
// need. `npm sbom --omit dev` alone also leaves out what services need when the top package.json names it as well, such
// as the drivers of PostgreSQL and NATS. The lockfile knows what is needed by developers only.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('../', import.meta.url));

const { packages } = JSON.parse(readFileSync(`${root}package-lock.json`, 'utf8'));
const needed = new Set();
const all = new Set();
for (const [path, { name, version, dev, devOptional, link }] of Object.entries(packages)) {
  if (path === '' || link === true) continue;
  const id = `${name ?? path.split('node_modules/').at(-1)}@${version}`;
  all.add(id);
  if (dev !== true && devOptional !== true) needed.add(id);
}

const { status, stdout, stderr } = spawnSync('npm', ['sbom', '--sbom-format', 'cyclonedx'], {
  cwd: root,
  encoding: 'utf8',
  maxBuffer: 256 * 1024 * 1024,
});
if (status !== 0) {
  process.stderr.write(stderr);
  process.exit(status ?? 1);
}
const bom = JSON.parse(stdout);
const isKept = (id) => needed.has(id) || !all.has(id);
const kept = bom.components.filter((component) => isKept(component['bom-ref']));
const refs = new Set([bom.metadata.component['bom-ref'], ...kept.map((component) => component['bom-ref'])]);
const dependencies = bom.dependencies
  .filter(({ ref }) => refs.has(ref))
  .map(({ ref, dependsOn = [] }) => ({ ref, dependsOn: dependsOn.filter((each) => refs.has(each)) }));
process.stdout.write(`${JSON.stringify({ ...bom, components: kept, dependencies }, undefined, 2)}\n`);
