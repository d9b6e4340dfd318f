import type { Command } from 'commander';

export interface AuditOptions {
  readonly tenant?: string;
  readonly user?: string;
  readonly key?: string;
  readonly action?: string;
  readonly resource?: string;
  readonly execution?: string;
  readonly outcome?: 'succeeded' | 'refused' | 'failed';
  readonly from?: string;
  readonly before?: string;
}

export type PauseKind = 'tenant' | 'agent' | 'pool';

export type WorkNoun = 'configs' | 'executions' | 'schedules' | 'tasks' | 'workflows' | 'processes';

type ExecutionStatus = 'pending' | 'running' | 'paused' | 'completed' | 'failed' | 'cancelled' | 'compensation';

export interface ListOptions {
  readonly limit?: number;
  /** These are of executions. */
  readonly status?: ExecutionStatus[];
  readonly config?: string;
  readonly session?: string;
}

export interface ExecuteOptions {
  readonly input?: string;
  readonly session?: string;
  readonly priority?: 'high' | 'normal' | 'low';
  readonly wait?: boolean;
  readonly follow?: boolean;
  readonly watch?: boolean;
}

export interface ApprovalOptions {
  readonly config?: string;
  readonly approver?: string;
  readonly limit?: number;
}

export interface DecisionOptions {
  readonly comment?: string;
  readonly data?: string;
}

export interface Actions {
  start(options: { readonly port?: number }): Promise<void>;
  demo(name: string): Promise<void>;
  env(options: { readonly pool?: string }): Promise<void>;
  credentials(options: {
    readonly out: string;
    readonly pool?: readonly string[];
    readonly natsName?: readonly string[];
    readonly postgresName?: readonly string[];
    readonly certificates: boolean;
    readonly replace?: readonly string[];
    readonly renewCertificates?: boolean;
    readonly newAuthority?: boolean;
  }): Promise<void>;
  follow(id: string, options: { readonly step?: readonly string[]; readonly reasoning?: boolean }): Promise<void>;
  execute(config: string, options: ExecuteOptions): Promise<void>;
  watch(id: string, options: { readonly json?: boolean }): Promise<void>;
  listApprovals(options: ApprovalOptions): Promise<void>;
  decide(decision: 'approve' | 'reject', id: string, step: string, options: DecisionOptions): Promise<void>;
  addKnowledge(directory: string): Promise<void>;
  listKnowledge(): Promise<void>;
  listWork(noun: WorkNoun, options: ListOptions): Promise<void>;
  showWork(noun: WorkNoun, id: string): Promise<void>;
  createWork(noun: Exclude<WorkNoun, 'executions'>, file: string): Promise<void>;
  changeWork(
    noun: WorkNoun,
    verb: string,
    id: string,
    options: { readonly reason?: string; readonly at?: string },
  ): Promise<void>;
  setSecret(name: string, options: { readonly description?: string }): Promise<void>;
  listSecrets(): Promise<void>;
  removeSecret(name: string): Promise<void>;
  pause(kind: PauseKind, name: string, options: { readonly reason?: string }): Promise<void>;
  resume(kind: PauseKind, name: string): Promise<void>;
  listPauses(): Promise<void>;
  listRetention(): Promise<void>;
  setRetention(
    name: string,
    options: {
      readonly olderThan?: number;
      readonly keep?: number;
      readonly status?: readonly string[];
      readonly config?: string;
      readonly archive?: boolean;
    },
  ): Promise<void>;
  removeRetention(name: string): Promise<void>;
  listMcpServers(): Promise<void>;
  setMcpServer(
    name: string,
    url: string,
    options: { readonly header?: readonly string[]; readonly description?: string },
  ): Promise<void>;
  listMcpTools(name: string): Promise<void>;
  consentToTools(name: string, tools: readonly string[]): Promise<void>;
  removeMcpServer(name: string): Promise<void>;
  restoreArchived(ids: readonly string[], options: { readonly reason?: string }): Promise<void>;
  listAudit(options: AuditOptions & { readonly limit?: number }): Promise<void>;
  exportAudit(options: AuditOptions): Promise<void>;
  verifyAudit(options: Pick<AuditOptions, 'tenant'>): Promise<void>;
  pruneAudit(options: { readonly olderThan: number }): Promise<void>;
  listTenants(): Promise<void>;
  tenantSettings(tenant: string, options: { readonly globalConfigs?: 'on' | 'off' }): Promise<void>;
  eraseTenant(tenant: string, options: { readonly confirm?: string }): Promise<void>;
  reencrypt(options: { readonly newKey?: boolean; readonly check?: boolean }): Promise<void>;
  doctor(options: { readonly service?: readonly string[]; readonly bundle?: string }): Promise<void>;
  rebuild(): Promise<void>;
  verify(which: string, options: { readonly tenant?: string }): Promise<void>;
}

export declare function commandLine(actions: Actions): Command;
