import { isProblem } from '@batuta/client';
import type { BatutaClient, Config, ConfigBody } from '@batuta/client';

/** Creates the config, or a new version of the existing one. */
export async function saveConfig(client: BatutaClient, config: ConfigBody): Promise<Config> {
  try {
    return await client.configs.create(config);
  } catch (error) {
    if (!isProblem(error, 'name_taken')) throw error;
    return await client.configs.update(config.name, config);
  }
}
