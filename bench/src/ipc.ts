import type { ChildProcess } from 'node:child_process';

interface Question {
  readonly id: number;
  readonly command: string;
  readonly input: unknown;
}

interface Reply {
  readonly answers: number;
  readonly result?: unknown;
  readonly error?: string;
}

let lastQuestion = 0;

/**
 * Sends a command to a child process and resolves with its answer. Rejects when the command failed or the process ended
 * first.
 */
export function call<T>(child: ChildProcess, command: string, input: unknown = {}): Promise<T> {
  const id = (lastQuestion += 1);
  return new Promise((resolve, reject) => {
    const hear = (reply: Reply): void => {
      if (reply.answers !== id) return;
      detach();
      if (reply.error === undefined) resolve(reply.result as T);
      else reject(new Error(`${command}: ${reply.error}`));
    };
    const ended = (code: number | null, signal: NodeJS.Signals | null): void => {
      detach();
      reject(new Error(`the process ended before it answered ${command} (${signal ?? String(code)})`));
    };
    const detach = (): void => {
      child.off('message', hear);
      child.off('exit', ended);
    };
    child.on('message', hear);
    child.once('exit', ended);
    const question: Question = { id, command, input };
    child.send(question, (error) => {
      if (error === null) return;
      detach();
      reject(error);
    });
  });
}

/** Answers the commands of the parent process, and ends with it. */
export function answerCommands(commands: Readonly<Record<string, (input: never) => Promise<unknown>>>): void {
  const answer = async ({ id, command, input }: Question): Promise<Reply> => {
    try {
      const run = commands[command];
      if (run === undefined) throw new Error(`unknown command ${command}`);
      return { answers: id, result: await run(input as never) };
    } catch (error) {
      return { answers: id, error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
    }
  };
  process.on('message', (question: Question) => {
    void answer(question).then((reply) => process.send?.(reply));
  });
  process.once('disconnect', () => process.exit(0));
}
