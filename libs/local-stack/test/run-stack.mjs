// A process that starts the stack, reports it, and waits, for tests that end it from outside. It loads the built
// package.
import { startLocalStack } from '@batuta/local-stack';

const stack = await startLocalStack({ dataDir: process.argv[2] });
process.on('SIGINT', () => void stack.stop().then(() => process.exit(0)));
const { databaseUrl, natsUrl, postgres, nats } = stack;
process.stdout.write(`${JSON.stringify({ databaseUrl, natsUrl, pids: [postgres.pid, nats.pid] })}\n`);
setInterval(() => {}, 60_000);
