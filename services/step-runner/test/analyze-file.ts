// A separate process, so that its memory can be limited: node … analyze-file.ts <directory> <file>
import { logAnalyzerAgent } from '../src/agents/log-analyzer.js';
import { testContext } from './test-context.js';

const [directory = '', file = ''] = process.argv.slice(2);
const startedAt = performance.now();
const result = await logAnalyzerAgent([`${testContext().tenantId}=${directory}`]).run({ file }, testContext());
const peakMiB = process.resourceUsage().maxRSS / 1024;
process.stdout.write(`${JSON.stringify({ result, peakMiB, seconds: (performance.now() - startedAt) / 1_000 })}\n`);
