import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';

const ageOf = (file) => statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;

/** The sources of every package with their outputs, as each tsconfig.build.json has them. Declarations have no output. */
export function sources(root) {
  const inside = (group) =>
    readdirSync(join(root, group), { withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map(({ name }) => join(root, group, name));
  const packages = [...inside('libs'), ...inside('services'), join(root, 'cli'), join(root, 'bench')];
  return packages.flatMap((folder) => {
    const config = join(folder, 'tsconfig.build.json');
    if (ageOf(config) === 0) return [];
    const { compilerOptions } = JSON.parse(readFileSync(config, 'utf8'));
    const extensions = compilerOptions.allowJs === true ? ['.ts', '.js'] : ['.ts'];
    return readdirSync(join(folder, compilerOptions.rootDir), { recursive: true, encoding: 'utf8' })
      .filter((name) => extensions.some((extension) => name.endsWith(extension)))
      .filter((name) => !name.endsWith('.spec.ts') && !name.endsWith('.d.ts'))
      .map((name) => ({
        from: join(folder, compilerOptions.rootDir, name),
        to: join(folder, compilerOptions.outDir, name.replace(/\.ts$/, '.js')),
      }));
  });
}

/** Whether the output is missing, or older than its source. */
export function isOutdated({ from, to }) {
  return ageOf(to) <= ageOf(from);
}
