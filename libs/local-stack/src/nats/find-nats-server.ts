import { constants } from 'node:fs';
import { access, readFile } from 'node:fs/promises';
import path from 'node:path';
import { LocalStackError } from '../errors.js';
import type { StackLogger } from '../logger.js';
import { runCommand } from '../run-command.js';

// The oldest version whose JetStream is sufficient: that of Debian 12.
const OLDEST = [2, 9] as const;
// Debian installs it in /usr/sbin, which is not on the PATH of an ordinary user. Homebrew's directory is not on the
// PATH of an IDE.
const USUAL_PLACES = ['/usr/local/bin', '/usr/local/sbin', '/usr/bin', '/usr/sbin', '/opt/homebrew/bin'];

interface NatsProgram {
  readonly file: string;
  /** For example [2, 9, 10]. */
  readonly version: readonly [number, number, number];
}

interface Environment {
  readonly PATH?: string | undefined;
  readonly BATUTA_NATS_SERVER?: string | undefined;
}

/**
 * Finds nats-server: the program in `BATUTA_NATS_SERVER`, otherwise the one on PATH or in a usual place. Otherwise apt
 * installs it, when this process is root on Debian or Ubuntu. Throws a `LocalStackError` with the command to run when
 * there is none.
 */
export async function findNatsServer(
  logger: StackLogger,
  env: Environment = process.env,
  usualPlaces: readonly string[] = USUAL_PLACES,
  install: (logger: StackLogger) => Promise<boolean> = installWithApt,
): Promise<NatsProgram> {
  const named = env.BATUTA_NATS_SERVER?.trim();
  if (named) {
    if (!(await isExecutable(named))) {
      throw new LocalStackError('BATUTA_NATS_SERVER does not name a program that can be run.');
    }
    return await programOf(named);
  }
  const places = [...(env.PATH ?? '').split(path.delimiter).filter((place) => path.isAbsolute(place)), ...usualPlaces];
  const found = await firstIn(places);
  if (found !== undefined) return await programOf(found);
  if (await install(logger)) {
    const installed = await firstIn(places);
    if (installed !== undefined) return await programOf(installed);
  }
  const osRelease = await readFile('/etc/os-release', 'utf8').catch(() => '');
  throw new LocalStackError(
    `Batuta needs nats-server ${OLDEST.join('.')} or newer, and there is none on this machine. ` +
      `${installAdvice(process.platform, osRelease)} Or set BATUTA_NATS_SERVER to its path, or NATS_URL to a server that runs.`,
  );
}

/** The way to install nats-server on a system, by Node's name of the platform and the text of `/etc/os-release`. */
export function installAdvice(platform: NodeJS.Platform, osRelease: string): string {
  if (platform === 'darwin') return 'Install it: brew install nats-server.';
  if (platform === 'linux' && isDebianLike(osRelease)) return 'Install it: sudo apt-get install nats-server.';
  return 'Install it as https://docs.nats.io/running-a-nats-service/introduction/installation says.';
}

function isDebianLike(osRelease: string): boolean {
  return /^ID(_LIKE)?=.*\b(debian|ubuntu)\b/m.test(osRelease);
}

/**
 * Installs Debian's nats-server package. Returns false when the system is not Debian, when this process is not root, or
 * when it fails.
 */
async function installWithApt(logger: StackLogger): Promise<boolean> {
  const osRelease = await readFile('/etc/os-release', 'utf8').catch(() => '');
  if (process.platform !== 'linux' || process.getuid?.() !== 0 || !isDebianLike(osRelease)) return false;
  logger.info('Installing nats-server with apt-get (its own service, if it starts one, is not used).');
  const env = { PATH: '/usr/sbin:/usr/bin:/sbin:/bin', DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' };
  const apt = async (...args: string[]) =>
    await runCommand('apt-get', ['-q', '-o', 'DPkg::Lock::Timeout=120', ...args], { env }).catch((error: Error) => ({
      code: null,
      output: error.message,
    }));
  const install = () => apt('install', '-y', '--no-install-recommends', 'nats-server');
  let result = await install();
  if (result.code !== 0) {
    // A new image has no package lists.
    await apt('update');
    result = await install();
  }
  if (result.code !== 0) logger.warn(`apt-get could not install nats-server: ${result.output.slice(-2000)}`);
  return result.code === 0;
}

async function firstIn(places: readonly string[]): Promise<string | undefined> {
  for (const place of places) {
    const file = path.join(place, 'nats-server');
    if (await isExecutable(file)) return file;
  }
  return undefined;
}

async function isExecutable(file: string): Promise<boolean> {
  return await access(file, constants.X_OK).then(
    () => true,
    () => false,
  );
}

async function programOf(file: string): Promise<NatsProgram> {
  const { output } = await runCommand(file, ['--version']).catch((error: Error) => ({ output: error.message }));
  const found = /v?(\d+)\.(\d+)\.(\d+)/.exec(output);
  if (found === null) throw new LocalStackError(`${file} --version does not say which nats-server it is: ${output}`);
  const version = [Number(found[1]), Number(found[2]), Number(found[3])] as const;
  if (version[0] < OLDEST[0] || (version[0] === OLDEST[0] && version[1] < OLDEST[1])) {
    throw new LocalStackError(`${file} is version ${version.join('.')}; Batuta needs ${OLDEST.join('.')} or newer.`);
  }
  return { file, version };
}
