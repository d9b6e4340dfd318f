/** The location of a running platform, as stored in `.batuta/run.json`. */
export interface RunFile {
  readonly url: string;
  readonly pid: number;
  /** Includes user and password. */
  readonly nats_url: string;
  readonly api_key_file: string;
  /** Includes the password, because only the file's owner can read the file. */
  readonly database_url: string;
  /** The URL of each service's /health/ready. */
  readonly services: Readonly<Record<string, string>>;
  /** Absent when the platform uses an external database. */
  readonly postgres_log?: string | null;
  /** Contains a directory for each tenant, whose files the tenant's agents may read. */
  readonly agent_files: string;
}

export declare function readRunFile(dataDir: string): RunFile | undefined;
export declare function alreadyRuns(run: RunFile): string;
