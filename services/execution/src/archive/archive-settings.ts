import { isAbsolute } from 'node:path';
import { fileURLToPath } from 'node:url';
import { secret, text } from '@batuta/settings';
import type { Secret, SettingsProblem } from '@batuta/settings';
import type { ArchiveStore } from './archive-store.js';
import { DirectoryStore } from './directory-store.js';
import { S3Store } from './s3-store.js';

/** Settings of the archive, for the service and for commands that work on its database. */
export const ARCHIVE_SETTINGS = {
  /** Where executions are archived: `file:///path/of/a/directory` or `s3://bucket/prefix`. Without it nothing is archived. */
  archiveUrl: text({ env: 'BATUTA_ARCHIVE_URL', optional: true }),
  /** Address of the S3-compatible server. Default: that of AWS in the region. */
  archiveS3Endpoint: text({ env: 'BATUTA_ARCHIVE_S3_ENDPOINT', optional: true }),
  archiveS3Region: text({ env: 'BATUTA_ARCHIVE_S3_REGION', default: 'us-east-1' }),
  archiveS3AccessKey: text({ env: 'BATUTA_ARCHIVE_S3_ACCESS_KEY', optional: true }),
  archiveS3SecretKey: secret({ env: 'BATUTA_ARCHIVE_S3_SECRET_KEY', optional: true }),
} as const;

export interface ArchiveSettings {
  readonly archiveUrl?: string | undefined;
  readonly archiveS3Endpoint?: string | undefined;
  readonly archiveS3Region: string;
  readonly archiveS3AccessKey?: string | undefined;
  readonly archiveS3SecretKey?: Secret | undefined;
}

const urlOf = (text: string | undefined): URL | undefined => {
  try {
    return text === undefined ? undefined : new URL(text);
  } catch {
    return undefined;
  }
};

export function archiveProblems(settings: ArchiveSettings): SettingsProblem[] {
  const { archiveUrl, archiveS3Endpoint, archiveS3AccessKey, archiveS3SecretKey } = settings;
  if (archiveUrl === undefined) return [];
  const url = urlOf(archiveUrl);
  if (url?.protocol === 'file:') {
    // A host would name a network share, which the platform does not support.
    if (url.host === '' && isAbsolute(fileURLToPath(url))) return [];
  } else if (url?.protocol === 's3:' && url.host !== '') {
    const problems: SettingsProblem[] = [];
    if (archiveS3AccessKey === undefined || archiveS3SecretKey === undefined) {
      problems.push({
        variables: ['BATUTA_ARCHIVE_S3_ACCESS_KEY', 'BATUTA_ARCHIVE_S3_SECRET_KEY'],
        expected: 'must both be set when BATUTA_ARCHIVE_URL is a bucket',
      });
    }
    if (archiveS3Endpoint !== undefined && !/^https?:$/.test(urlOf(archiveS3Endpoint)?.protocol ?? '')) {
      problems.push({ variables: ['BATUTA_ARCHIVE_S3_ENDPOINT'], expected: 'must begin with https:// or http://' });
    }
    return problems;
  }
  return [{ variables: ['BATUTA_ARCHIVE_URL'], expected: 'must be file:///path/of/a/directory or s3://bucket/prefix' }];
}

/** The archive that valid settings name. Undefined when they name none. */
export function openArchive(settings: ArchiveSettings): ArchiveStore | undefined {
  const url = urlOf(settings.archiveUrl);
  if (url === undefined) return undefined;
  if (url.protocol === 'file:') return new DirectoryStore(fileURLToPath(url));
  const region = settings.archiveS3Region;
  return new S3Store({
    endpoint: new URL(settings.archiveS3Endpoint ?? `https://s3.${region}.amazonaws.com`),
    region,
    bucket: url.host,
    prefix: url.pathname
      .split('/')
      .filter((part) => part !== '')
      .join('/'),
    credentials: {
      accessKey: settings.archiveS3AccessKey ?? '',
      secretKey: settings.archiveS3SecretKey?.reveal() ?? '',
    },
  });
}
