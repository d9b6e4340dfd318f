import type { BatutaClient } from '@batuta/client';
import type { ApprovalOptions } from '../command-line.js';
import { terminalLine } from './terminal-text.js';

/** The approvals that wait for a decision, one line each, the oldest first. */
export async function* approvalLines(
  client: BatutaClient,
  { limit = 50, config: config_id, approver }: ApprovalOptions,
): AsyncGenerator<string> {
  let count = 0;
  for await (const approval of client.executions.approvals({ config_id, approver })) {
    if (count >= limit) return;
    count += 1;
    const { execution_id: id, step_id: step, config_name: config, message, deadline_at: until } = approval;
    yield `${id}  ${step}  ${config}  ${terminalLine(message)}${until == null ? '' : `  until ${until}`}`;
  }
  if (count === 0) yield 'no approval waits for a decision';
}
