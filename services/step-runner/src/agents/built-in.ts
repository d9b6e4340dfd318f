import type { ControlClient } from '@batuta/messaging';
import { addressPolicy, GuardedClient, HostNames } from '@batuta/outbound-http';
import type { Sandbox } from '@batuta/sandbox';
import type { Agent, PlatformContext } from '@batuta/worker';
import { askModelAgent } from './ask-model.js';
import { compareMeaningAgent } from './compare-meaning.js';
import { delayAgent } from './delay.js';
import { echoAgent } from './echo.js';
import { failAgent } from './fail.js';
import { generalHandlerAgent } from './general-handler.js';
import { httpAgent } from './http.js';
import { logAnalyzerAgent } from './log-analyzer.js';
import { mcpToolAgent } from './mcp-tool.js';
import { ragHandlerAgent } from './rag-handler.js';
import { statusHandlerAgent } from './status-handler.js';
import { synthesizerAgent } from './synthesizer.js';
import { troubleshootHandlerAgent } from './troubleshoot-handler.js';

export interface BuiltInAgentOptions {
  /** Sends requests to the config and execution services. */
  readonly control: ControlClient;
  /** Renders templates. The caller that made it closes it. */
  readonly sandbox: Sandbox;
  /** Settings for the directories whose files may be read, see `LOG_DIRECTORY`. */
  readonly logDirectories: readonly string[];
  /** Private addresses that HTTP calls may reach. */
  readonly allowedAddresses: readonly string[];
  /** The same for `status_handler` alone. */
  readonly statusAddresses: readonly string[];
  /** Name servers for the hosts of HTTP calls. Empty: the system's. */
  readonly dnsServers: readonly string[];
  /** Time limit for the lookup of a host name, in milliseconds. */
  readonly dnsTimeoutMs: number;
  /** Whether spans contain prompts and answers of models. */
  readonly tracesContent: boolean;
  /** Milliseconds without a piece of an answer after which a model has stalled. */
  readonly modelIdleMs: number;
}

export interface BuiltInAgents {
  readonly agents: readonly Agent<PlatformContext>[];
  /** For calls to addresses that users name. */
  readonly client: GuardedClient;
  /** Closes the connections of the agents. */
  close(): Promise<void>;
}

/** The agents of every step-runner that serves the pool `default`. Throws a `TypeError` for an invalid address. */
export function builtInAgents(options: BuiltInAgentOptions): BuiltInAgents {
  const { control, sandbox, logDirectories, allowedAddresses, statusAddresses } = options;
  const { resolve } = new HostNames({ servers: options.dnsServers, timeoutMs: options.dnsTimeoutMs });
  const http = new GuardedClient(addressPolicy(allowedAddresses), resolve);
  const status = new GuardedClient(addressPolicy([...allowedAddresses, ...statusAddresses]), resolve);
  const statusHandler = statusHandlerAgent(status, control);
  const logAnalyzer = logAnalyzerAgent(logDirectories);
  const ragHandler = ragHandlerAgent(control);
  const askModel = askModelAgent({
    control,
    client: http,
    sandbox,
    tracesContent: options.tracesContent,
    idleMs: options.modelIdleMs,
  });
  const helpers = { askModel, knowledge: ragHandler };
  return {
    // `npm run agents` copies their descriptions and schemas to the contracts and the documentation.
    agents: [
      statusHandler,
      logAnalyzer,
      ragHandler,
      synthesizerAgent(sandbox),
      httpAgent(http),
      echoAgent,
      delayAgent,
      failAgent,
      askModel,
      mcpToolAgent({ control, client: http, sandbox }),
      compareMeaningAgent({ control, client: http, idleMs: options.modelIdleMs }),
      generalHandlerAgent(helpers),
      troubleshootHandlerAgent({ ...helpers, status: statusHandler, logs: logAnalyzer }),
    ],
    client: http,
    async close() {
      await Promise.all([http.close(), status.close()]);
    },
  };
}
