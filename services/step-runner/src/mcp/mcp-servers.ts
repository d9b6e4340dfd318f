import { operations } from '@batuta/contracts';
import type {
  ConsentMcpToolsRequest,
  ListMcpToolsReply,
  ListMcpToolsRequest,
  McpServer,
  McpServerReply,
  McpTool,
  PinMcpToolsRequest,
  Refusal,
  Violation,
} from '@batuta/contracts';
import type { SecretSource } from '@batuta/control';
import type { ControlClient } from '@batuta/messaging';
import type { Logger } from '@batuta/observability';
import type { GuardedClient } from '@batuta/outbound-http';
import { McpConnection } from './mcp-connection.js';
import { comparedTools } from './tool-hash.js';

/** The gateway waits a little longer for the answer. */
const ANSWER_MS = 4_000;
const CONFIG_MS = 2_000;
const MOST_TOOLS = 200;

export interface McpServersOptions {
  readonly control: ControlClient;
  readonly client: GuardedClient;
  readonly secrets: SecretSource;
  readonly logger: Logger;
}

const refuse = (code: Refusal['code'], message: string): { refused: Refusal } => ({ refused: { code, message } });

/** Asks MCP servers for admins: what they offer, and whether it is what the admin has read. */
export class McpServers {
  readonly #options: McpServersOptions;

  constructor(options: McpServersOptions) {
    this.#options = options;
  }

  async tools({ tenantId, name }: ListMcpToolsRequest): Promise<ListMcpToolsReply> {
    const found = await this.#server(tenantId, name);
    if (found.server === undefined) return { tools: [], ...found };
    const listed = await this.#listed(tenantId, found.server);
    return 'refused' in listed ? { tools: [], ...listed } : { tools: comparedTools(listed.tools, found.server.tools) };
  }

  async consent({ principal, name, body }: ConsentMcpToolsRequest): Promise<McpServerReply> {
    const { tenantId } = principal;
    const wanted = wantedTools(body);
    if ('refused' in wanted) return wanted;
    const found = await this.#server(tenantId, name);
    if (found.server === undefined) return found;
    const { server } = found;
    // What is taken away needs no word of the server, which may be gone.
    const listed = wanted.tools.length === 0 ? { tools: [] } : await this.#listed(tenantId, server);
    if ('refused' in listed) return listed;
    const tools: McpTool[] = [];
    for (const { name: tool, hash } of wanted.tools) {
      const offered = listed.tools.find((each) => each.name === tool);
      if (offered?.hash !== hash) {
        const what = offered === undefined ? 'does not offer' : 'describes differently now';
        return refuse('conflict', `The MCP server "${name}" ${what} the tool "${tool}". List its tools again.`);
      }
      tools.push(offered);
    }
    const request: PinMcpToolsRequest = { tenantId, name, revision: server.revision, tools };
    return this.#options.control.request<McpServerReply>(operations.mcpServers.pin.subject, request, {
      timeoutMs: CONFIG_MS,
    });
  }

  async #server(tenantId: string, name: string): Promise<{ server?: McpServer; refused?: Refusal }> {
    const { subject } = operations.mcpServers.get;
    return this.#options.control.request<McpServerReply>(subject, { tenantId, name }, { timeoutMs: CONFIG_MS });
  }

  async #listed(tenantId: string, server: McpServer): Promise<{ tools: McpTool[] } | { refused: Refusal }> {
    const { client, secrets, logger } = this.#options;
    const signal = AbortSignal.timeout(ANSWER_MS);
    let redact = (text: string): string => text;
    const context = {
      tenantId,
      logger,
      signal,
      redact: (text: string) => redact(text),
      beginCall: () => ({ traceparent: '', end: () => undefined }),
    };
    try {
      const connection = await McpConnection.open(server, client, context, async (names) => {
        const { values, hidden } = await secrets.resolve({ tenantId, agent: 'mcp_tool' }, names, signal);
        redact = (text) => hidden.text(text);
        return values;
      });
      try {
        return { tools: await connection.tools(server.name) };
      } finally {
        await connection.close();
      }
    } catch (error) {
      const said = redact(error instanceof Error ? error.message : String(error)).slice(0, 500);
      const why = signal.aborted ? `It did not answer within ${ANSWER_MS} ms.` : said;
      return refuse('unavailable', `The tools of the MCP server "${server.name}" cannot be listed. ${why}`);
    }
  }
}

interface Wanted {
  readonly name: string;
  readonly hash: string;
}

function wantedTools(body: unknown): { tools: Wanted[] } | { refused: Refusal } {
  const { tools, ...others } = (body ?? {}) as { tools?: unknown };
  const violations: Violation[] = Object.keys(others).map((field) => ({
    path: `/${field}`,
    code: 'unknown_field',
    message: 'is not known; known is tools',
  }));
  if (!Array.isArray(tools)) violations.push({ path: '/tools', code: 'required', message: 'must be a list' });
  const list = Array.isArray(tools) ? (tools as unknown[]) : [];
  if (list.length > MOST_TOOLS) {
    violations.push({ path: '/tools', code: 'too_many', message: `must hold at most ${MOST_TOOLS}` });
  }
  const seen = new Set<string>();
  const wanted = list.slice(0, MOST_TOOLS).flatMap((each, index): Wanted[] => {
    const { name, hash } = (each ?? {}) as Partial<Wanted>;
    const path = `/tools/${index}`;
    if (typeof name !== 'string' || name === '' || typeof hash !== 'string' || !/^[0-9a-f]{64}$/.test(hash)) {
      violations.push({ path, code: 'bad_format', message: 'must have a name and the hash from the list of tools' });
      return [];
    }
    if (seen.has(name)) violations.push({ path, code: 'duplicate_id', message: `names "${name}" again` });
    seen.add(name);
    return [{ name, hash }];
  });
  if (violations.length === 0) return { tools: wanted };
  return { refused: { code: 'validation_failed', message: 'The consent has mistakes.', violations } };
}
