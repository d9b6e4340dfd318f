import { spawn } from 'node:child_process';
import { SpokenProcess } from './command.js';

export interface TerminalOptions {
  /** The directory of the command. It is also the user's home, unless `env` sets another one. */
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  /** Width of the terminal. */
  readonly columns?: number;
  /** The user and group that run the command. Only root can choose them. */
  readonly account?: { readonly uid: number; readonly gid: number };
}

const CONTROL_C = '\u0003';
// eslint-disable-next-line no-control-regex -- these are what a terminal is told colours with (ECMA-48).
const CONTROL_SEQUENCES = /\u001B\[[0-9;?]*[a-zA-Z]/g;

/** A command line in its own terminal, as if a person typed it. script(1) creates a pseudo-terminal for it. */
export class Terminal extends SpokenProcess {
  constructor(commandLine: string, { cwd, env, columns = 100, account }: TerminalOptions) {
    const line = `stty rows 40 cols ${columns}; ${commandLine}`;
    const script = ['script', '--quiet', '--flush', '--return', '--command', line, '/dev/null'];
    const asUser =
      account === undefined
        ? []
        : ['setpriv', `--reuid=${account.uid}`, `--regid=${account.gid}`, '--clear-groups', '--inh-caps=-all'];
    const [program = '', ...args] = [...asUser, ...script];
    super(
      spawn(program, args, {
        cwd,
        env: {
          PATH: process.env['PATH'],
          HOME: cwd,
          SHELL: '/bin/sh',
          TERM: 'xterm-256color',
          LANG: 'C.UTF-8',
          ...env,
        },
        stdio: ['pipe', 'pipe', 'pipe'],
      }),
    );
  }

  /** The text that a person sees: the output without colours, and with uniform line ends. */
  get shown(): string {
    return this.output.replaceAll(CONTROL_SEQUENCES, '').replaceAll('\r\n', '\n');
  }

  /** Presses Ctrl-C: the terminal sends SIGINT to everything that runs in its foreground. */
  controlC(): void {
    this.child.stdin?.write(CONTROL_C);
  }
}
