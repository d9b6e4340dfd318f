// The programs that the tests need in addition to Node.js: nats-server, kubectl and Prometheus. Debian packages provide
// them.
import { spawnSync } from 'node:child_process';
import { accessSync, constants, readFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Debian installs servers in directories that are not on an ordinary user's PATH. */
const SYSTEM = ['/usr/local/sbin', '/usr/sbin', '/sbin'];

const PROGRAMS = [
  { program: 'nats-server', package: 'nats-server' },
  { program: 'kubectl', package: 'kubernetes-client' },
  { program: 'promtool', package: 'prometheus' },
];

/** A PATH that includes all directories of the system's programs. */
export function wholePath(path = '') {
  const places = path.split(delimiter).filter((place) => place !== '');
  return [...places, ...SYSTEM.filter((place) => !places.includes(place))].join(delimiter);
}

function isThere(program, path) {
  return path.split(delimiter).some((place) => {
    try {
      accessSync(join(place, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function isDebian() {
  try {
    return /^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(readFileSync('/etc/os-release', 'utf8'));
  } catch {
    return false;
  }
}

function apt(...args) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' };
  return (
    spawnSync('apt-get', ['-qq', '-o', 'DPkg::Lock::Timeout=120', ...args], { env, stdio: ['ignore', 2, 2] }).status ===
    0
  );
}

/**
 * Installs missing programs if this process may, as root on Debian and Ubuntu. Returns the programs that are still
 * missing, each with the command that installs it.
 */
export function installNeeded({
  path = wholePath(process.env.PATH),
  mayInstall = process.getuid?.() === 0 && isDebian(),
  install = (packages) => apt('update') && apt('install', '-y', '--no-install-recommends', ...packages),
} = {}) {
  const missing = () => PROGRAMS.filter(({ program }) => !isThere(program, path));
  const wanted = missing();
  if (wanted.length > 0 && mayInstall) {
    console.log(`Installing ${wanted.map(({ program }) => program).join(' and ')} with apt-get …`);
    install(wanted.map(({ package: name }) => name));
  }
  return missing().map(({ program, package: name }) => ({ program, advice: `sudo apt-get install ${name}` }));
}
