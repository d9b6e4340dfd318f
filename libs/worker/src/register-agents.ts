import { BatutaClient, ConnectionError, isProblem, ProblemError } from '@batuta/client';
import type { AgentBody } from '@batuta/client';
import { isDeepStrictEqual } from 'node:util';
import type { Agent } from './agent.js';
import type { Logger } from './logger.js';

/** The platform at which agents are registered. */
export interface Platform {
  /** The URL of the gateway, such as `http://localhost:8080`. */
  readonly url: string;
  /** The API key of an admin. Only admins may register agents. */
  readonly apiKey: string;
}

/**
 * Registers the descriptions of agents, except those that are registered already. When the key lacks the right, or
 * registration fails now, it logs the command that registers the agent, because somebody else may do it.
 */
export async function registerAgents(
  agents: readonly Agent[],
  pool: string,
  platform: Platform | undefined,
  logger: Logger,
): Promise<void> {
  const client = platform === undefined ? undefined : new BatutaClient(platform);
  for (const agent of agents) {
    const body = bodyOf(agent, pool);
    try {
      if (client === undefined) {
        logger.info({ command: commandOf(agent.name, body) }, `the agent ${agent.name} is registered by an admin`);
      } else if (await isRegistered(client, agent.name, body)) {
        logger.info(`the agent ${agent.name} is registered as it is`);
      } else {
        await client.agents.put(agent.name, body);
        logger.info(`the agent ${agent.name} was registered`);
      }
    } catch (error) {
      if (!(error instanceof ProblemError || error instanceof ConnectionError)) throw error;
      logger.warn(
        { reason: error.message, command: commandOf(agent.name, body) },
        `the agent ${agent.name} was not registered`,
      );
    }
  }
}

async function isRegistered(client: BatutaClient, name: string, body: AgentBody): Promise<boolean> {
  try {
    const { pool, description, input_schema, output_schema } = await client.agents.get(name);
    const registered = { pool, description, input_schema, output_schema };
    const wanted = { input_schema: undefined, output_schema: undefined, ...body };
    return isDeepStrictEqual(registered, wanted);
  } catch (error) {
    if (isProblem(error, 'not_found')) return false;
    throw error;
  }
}

function bodyOf({ description = '', input, output }: Agent, pool: string): AgentBody {
  return {
    pool,
    description,
    ...(input === undefined ? {} : { input_schema: { ...input } }),
    ...(output === undefined ? {} : { output_schema: { ...output } }),
  };
}

/** For a shell in which BATUTA_URL and BATUTA_API_KEY are set. */
function commandOf(name: string, body: AgentBody): string {
  const json = JSON.stringify(body).replaceAll("'", `'\\''`);
  return (
    `curl -sS -X PUT "$BATUTA_URL/api/v1/agents/${name}" -H "Authorization: Bearer $BATUTA_API_KEY" ` +
    `-H 'Content-Type: application/json' -d '${json}'`
  );
}
