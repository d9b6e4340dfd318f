import { encodeCursor, operations } from '@batuta/contracts';
import type { ConfigReply, JsonObject } from '@batuta/contracts';
import { featureController } from '../routes/feature-controller.js';
import { countsOf, offsetOf } from '../http/offset.js';
import type { OffsetQuery } from '../http/offset.js';
import { Problem } from '../http/problem.js';
import { versionOf } from '../http/query.js';
import { shownConfig, shownCursor } from '../http/shown.js';

const shown = ({ config, repeated = false }: ConfigReply): JsonObject => ({
  ...shownConfig(config),
  ...(repeated ? { repeated } : {}),
});

export const ConfigsController = featureController('ConfigsController', operations.configs, {
  create: { shown },
  get: { shown },
  update: { shown },
  patch: { shown },
  delete: { shown },
  restore: { shown },
  list: {
    request: ({ query }) => ({
      ...(query['name'] === undefined ? {} : { nameContains: query['name'] as string }),
      ...offsetOf(query as unknown as OffsetQuery),
    }),
    shown: ({ configs, total, nextCursor }, { query }) => ({
      ...countsOf(query as unknown as OffsetQuery, total),
      configs: (configs ?? []).map(shownConfig),
      next_cursor: shownCursor(nextCursor),
    }),
  },
  versions: {
    request: ({ query }) => {
      const beforeVersion = versionOf('versions', query['cursor'] as string | undefined);
      return beforeVersion === undefined ? {} : { beforeVersion };
    },
    shown: ({ versions }) => {
      // A page may be shorter than requested when its documents are large. Version 1 is the last one of the list.
      const oldest = versions.at(-1)?.version ?? 1;
      return {
        versions: versions.map(shownConfig),
        next_cursor: oldest > 1 ? encodeCursor('versions', String(oldest)) : null,
      };
    },
  },
  version: {
    request: ({ params: { version = '' } }) => {
      if (!/^[1-9]\d{0,8}$/.test(version)) throw new Problem('not_found', 'There is no such version.');
      return { version: Number(version) };
    },
    shown,
  },
});
