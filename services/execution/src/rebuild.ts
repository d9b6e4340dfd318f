import { runOnce } from '@batuta/service';
import { rebuildReadModels } from './projections/rebuild.js';

// Writes both read models again from the log. The service may run meanwhile.
await runOnce({
  name: 'execution-rebuild',
  run: async ({ databaseUrl, logger }) => {
    const { executions, stepRuns } = await rebuildReadModels(databaseUrl);
    logger.info({ executions, stepRuns }, 'the read models are rebuilt');
  },
});
