// Runs `buf breaking` against git's main. Prints "skipped: <why>" and exits with 0 when there is nothing to compare
// with.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');

/** The output of git, or undefined when it fails (no such ref, not a repository, git is missing). */
function git(...args) {
  try {
    return execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  } catch {
    return undefined;
  }
}

// The remote main comes first, because a local main may already contain the change.
const refs = ['refs/remotes/origin/main', 'refs/heads/main'];
const base = refs.find((ref) => git('rev-parse', '--verify', '--quiet', `${ref}^{commit}`) !== undefined);

if (base === undefined) {
  console.log('skipped: git has no main to compare with');
} else if (!git('ls-tree', '-r', '--name-only', base, '--', 'proto')?.includes('.proto')) {
  console.log(`skipped: ${base} has no proto files yet`);
} else {
  const folder = mkdtempSync(join(tmpdir(), 'batuta-breaking-'));
  try {
    const archive = join(folder, 'main.tar');
    execFileSync('git', ['archive', '--format=tar', '-o', archive, base, '--', 'proto', 'buf.yaml'], { cwd: root });
    const buf = join(root, 'node_modules', '.bin', 'buf');
    const { status, error } = spawnSync(buf, ['breaking', '--against', archive], {
      cwd: root,
      stdio: ['ignore', 'inherit', 'inherit'],
    });
    if (error) throw error;
    process.exitCode = status ?? 1;
    if (status === 0) console.log(`No breaking change against ${base}.`);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
