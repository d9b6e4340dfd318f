import { chownSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { copySources, linkPackages } from '../../tools/checkout-copy.mjs';
import { ROOT } from './command.js';

export interface Account {
  readonly uid: number;
  readonly gid: number;
}

/** A copy of this checkout as a user has it after `npm ci`: owned by the user, with all packages, and nothing built. */
export function copyCheckout({ uid, gid }: Account): string {
  const copy = copySources(ROOT, 'batuta-checkout-');
  const paths = readdirSync(copy, { recursive: true, encoding: 'utf8' }).map((path) => join(copy, path));
  for (const path of [copy, ...paths]) chownSync(path, uid, gid);
  // The packages after that: their files are those of the original, and not the user's.
  linkPackages(ROOT, copy);
  return copy;
}
