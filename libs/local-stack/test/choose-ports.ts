// A process that chooses ports, prints them, and lives until it is ended.
import { freePort } from '@batuta/local-stack';

const ports: number[] = [];
for (let count = 0; count < 20; count += 1) ports.push(await freePort());
process.stdout.write(`${JSON.stringify(ports)}\n`);
setInterval(() => {}, 60_000);
