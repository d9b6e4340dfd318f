import { POSTGRES_ALL_TENANTS_SETTING } from '@batuta/contracts';

/** The address of a database for an operator's command as the owner of the tables: it sees the rows of all tenants. */
export function maintenanceUrl(databaseUrl: string): string {
  const url = new URL(databaseUrl);
  const before = url.searchParams.get('options');
  const all = `-c ${POSTGRES_ALL_TENANTS_SETTING}=on`;
  url.searchParams.set('options', before === null ? all : `${before} ${all}`);
  return url.href;
}
