import { BatutaClient, ConnectionError, isProblem, ProblemError } from '@batuta/client';
import type { AgentBody } from '@batuta/client';
import { isDeepStrictEqual } from 'node:util';
import type { Agent } from './agent.js';
import type { Logger } from './logger.js';

/** Where agents are registered. */
export interface Platform {
  /** Where the gateway is, such as `http://localhost:8080`. */
  readonly url: string;
  /** Of an admin; agents are an admin's to register. */
  readonly apiKey: string;
}

/**
 * Registers what agents say of themselves; leaves those alone that say what is registered already. What the key may not do, or what cannot
 * be done now, is logged with the command that does it: the agents may well be registered by somebody else.
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

/** For a shell that has BATUTA_URL and BATUTA_API_KEY. */
function commandOf(name: string, body: AgentBody): string {
  const json = JSON.stringify(body).replaceAll("'", `'\\''`);
  return (
    `curl -sS -X PUT "$BATUTA_URL/api/v1/agents/${name}" -H "Authorization: Bearer $BATUTA_API_KEY" ` +
    `-H 'Content-Type: application/json' -d '${json}'`
  );
}
