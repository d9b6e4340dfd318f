// Fails when libs/contracts/src/generated is not exactly what `npm run proto` would write.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

const root = join(import.meta.dirname, '..');
const generated = 'libs/contracts/src/generated';

/** The content of every file below a folder, by relative path. Empty when the folder does not exist. */
function contents(folder) {
  if (!existsSync(folder)) return new Map();
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return new Map(
    files.map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return [path.slice(folder.length + 1), readFileSync(path, 'utf8')];
    }),
  );
}

const fresh = mkdtempSync(join(tmpdir(), 'batuta-generated-'));
try {
  const bin = join(root, 'node_modules', '.bin');
  const { status, error } = spawnSync(join(bin, 'buf'), ['generate', '-o', fresh], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
    env: { ...process.env, PATH: `${bin}${delimiter}${process.env.PATH}` },
  });
  if (error) throw error;
  if (status !== 0) process.exit(status ?? 1);

  const expected = contents(join(fresh, generated));
  const actual = contents(join(root, generated));
  const wrong = [...new Set([...expected.keys(), ...actual.keys()])]
    .filter((path) => expected.get(path) !== actual.get(path))
    .sort();
  for (const path of wrong) {
    const why = !actual.has(path) ? 'missing' : !expected.has(path) ? 'no longer generated' : 'out of date';
    console.error(`${generated}/${path}: ${why}`);
  }
  if (wrong.length > 0) {
    console.error('Run `npm run proto` and commit what it wrote.');
    process.exitCode = 1;
  } else {
    console.log(`${expected.size} generated files are up to date.`);
  }
} finally {
  rmSync(fresh, { recursive: true, force: true });
}
