/** Where a running platform is, as `.batuta/run.json` says. */
export interface RunFile {
  readonly url: string;
  readonly pid: number;
  /** With user and password. */
  readonly nats_url: string;
  readonly api_key_file: string;
  /** With its password: the file is readable by its owner only. */
  readonly database_url: string;
  /** Where each service answers /health/ready. */
  readonly services: Readonly<Record<string, string>>;
  /** Absent when the database is not ours. */
  readonly postgres_log?: string | null;
  /** Holds a directory for each tenant, whose files its agents may read. */
  readonly agent_files: string;
}

export declare function readRunFile(dataDir: string): RunFile | undefined;
export declare function alreadyRuns(run: RunFile): string;
