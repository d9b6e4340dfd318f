// Checks an exported execution (GET /api/v1/orchestrations/executions/{id}/export), or a file of the archive with many
// executions, without the platform and without packages:
//   node tools/check-bundle.mjs bundle.ndjson [public-key.pem]
//   node tools/check-bundle.mjs archive.jsonl.gz [public-key.pem]
// Prints its findings and exits with 0 when the bundle is valid, 1 when it is not, and 2 when it cannot be read.
// Without your own public key, the signature is compared with the key in the bundle, which a forger of the bundle can
// replace.
import { createHash, createPublicKey, verify } from 'node:crypto';
import { createReadStream, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { createGunzip } from 'node:zlib';

class NoBundle extends Error {}

const sha256 = (...parts) => {
  const digest = createHash('sha256');
  for (const part of parts) digest.update(part);
  return digest.digest();
};

/** JSON with the keys of every object in ascending order. */
function canonical(value) {
  const inOrder = (item) => {
    if (typeof item !== 'object' || item === null) return item;
    if (Array.isArray(item)) return item.map(inOrder);
    const copy = {};
    for (const key of Object.keys(item).sort()) {
      Object.defineProperty(copy, key, {
        value: inOrder(item[key]),
        enumerable: true,
        configurable: true,
        writable: true,
      });
    }
    return copy;
  };
  return JSON.stringify(inOrder(value));
}

/**
 * The problems of a bundle's lines, and other remarks. Throws `NoBundle` when they are not a bundle. `ownKey`: a public
 * key (PEM) to check the signatures with, instead of the key in the bundle.
 */
export async function checkBundle(lines, ownKey) {
  const remarks = [];
  const say = (text) => remarks.push(text);
  const problems = [];
  let bundle;
  let end;
  let expected = 1;
  let home;
  let previous = '';
  let open;
  let unlinked = 0;
  const links = new Map();

  function event(one) {
    const { version, partition, position, at, type, command_id: commandId, data, link } = one;
    if (version !== expected) problems.push(`version ${version} stands where version ${expected} belongs`);
    expected = version + 1;
    home ??= partition;
    if (partition !== home) problems.push(`version ${version} is of partition ${partition}, the others are of ${home}`);
    if (version === 1) {
      const { tenant_id: tenant, config } = bundle;
      if (data.tenantId !== tenant) problems.push('the tenant of the first line is not that of the first event');
      if (data.configId !== config.id || data.configVersion !== config.version) {
        problems.push('the config of the first line is not that of the first event');
      }
    }
    if (link === null) {
      if (open !== undefined) problems.push(`version ${version}: the link of its commit is gone`);
      unlinked += 1;
      previous = '';
      open = undefined;
      return;
    }
    open ??= { from: version, text: `batuta-link-1\n${previous}\n${bundle.execution_id}\n${partition}` };
    open.text += `\n${version}\n${position}\n${at}\n${type}\n${commandId}\n${canonical(data)}`;
    if (link === '') return;
    if (sha256(open.text).toString('hex') !== link) {
      problems.push(`versions ${open.from} to ${version}: the events are not those of their link`);
    }
    links.set(version, { position, link });
    previous = link;
    open = undefined;
  }

  /**
   * The bytes of hexadecimal text in its only valid spelling. `Buffer` alone would also accept capitals, and would stop
   * at the first invalid digit.
   */
  function bytesOf(text, what) {
    const bytes = Buffer.from(String(text), 'hex');
    if (bytes.toString('hex') !== text) problems.push(`${what} is not written as hexadecimal digits`);
    return bytes;
  }

  function root({ position, link }, path) {
    const place = Buffer.alloc(9);
    place.writeBigUInt64BE(BigInt(position), 1);
    let node = sha256(place, Buffer.from(link, 'hex'));
    for (const { side, hash } of path) {
      const other = bytesOf(hash, 'a hash on the path to the checkpoint');
      if (side !== 'left' && side !== 'right') {
        problems.push(`a hash on the path to the checkpoint stands on no side: ${side}`);
      }
      node = sha256(Buffer.from([1]), ...(side === 'left' ? [other, node] : [node, other]));
    }
    return node.toString('hex');
  }

  /** Whether a statement is signed by the given key or, without one, by the key in the bundle. */
  function signed(what, { key_id: id, public_key: shown, signature }, statement) {
    const pem = ownKey ?? shown;
    if (pem === null) {
      say(`the key ${id} is not in the bundle: give its file to check the signature of ${what}`);
      return false;
    }
    if (sha256(pem).toString('hex').slice(0, 16) !== id) {
      problems.push(`${what} is signed with another key than it says`);
    }
    const signed = bytesOf(signature, `the signature of ${what}`);
    const good = verify(null, Buffer.from(statement), createPublicKey(pem), signed);
    if (!good) problems.push(`the signature of ${what} is wrong`);
    return good;
  }

  function configOf(found) {
    const { id, version, definition } = bundle.config;
    if (sha256(canonical(definition)).toString('hex') !== found.sha256) {
      problems.push('the config is not the one that was signed');
    }
    signed('the config', found, `batuta-config-1\n${id}\n${version}\n${found.sha256}`);
  }

  function checkpoint(found) {
    const { partition, after_position: after, position, at, links: count, root: signedRoot, previous: before } = found;
    const leaf = links.get(found.leaf_version);
    if (leaf === undefined) {
      return problems.push(`there is no link of version ${found.leaf_version}, which the checkpoint holds`);
    }
    if (root(leaf, found.path) !== signedRoot) {
      problems.push(`the link of version ${found.leaf_version} is not in the checkpoint`);
    }
    const signedParts = [partition, after, position, at, count, signedRoot, before];
    if (signedParts.includes(undefined)) problems.push('the checkpoint lacks a part that is signed');
    const statement = ['batuta-checkpoint-1', ...signedParts].join('\n');
    if (!signed('the checkpoint', found, statement)) return undefined;
    const whose = ownKey === undefined ? 'the key in the bundle; compare it with one that you had before' : 'your key';
    return say(`signed at ${new Date(at).toISOString()} up to version ${found.leaf_version} with ${whose}`);
  }

  try {
    for await (const text of lines) {
      const line = JSON.parse(text);
      if (end !== undefined) problems.push('something stands after the last line');
      else if (line.line === 'bundle' && bundle === undefined) bundle = line;
      else if (bundle === undefined) throw new NoBundle('the first line is not that of a bundle');
      else if (line.line === 'event') event(line);
      else if (line.line === 'end') end = line;
      else problems.push(`a line is of no known kind: ${line.line}`);
    }
  } catch (error) {
    if (error instanceof NoBundle) throw error;
    // A byte that breaks the JSON is a change like any other.
    problems.push(`a line cannot be read: ${error.message}`);
  }
  if (bundle === undefined) throw new NoBundle('the first line cannot be read');
  if (bundle.bundle !== 1) problems.push(`this script knows bundles of format 1, this one says ${bundle.bundle}`);
  const events = expected - 1;
  if (open !== undefined) problems.push(`the rest of the commit from version ${open.from} on is missing`);
  if (end === undefined) problems.push('the last line is missing');
  else if (end.events !== events) problems.push(`${end.events} events were exported, ${events} are there`);
  for (const part of end === undefined ? [] : ['checkpoint', 'config']) {
    if (end[part] === undefined) problems.push(`the last line does not say whether it has a ${part}`);
  }
  try {
    if (end?.checkpoint) checkpoint(end.checkpoint);
    else if (end !== undefined) say('no signed checkpoint holds it yet: the links alone can be made anew by anybody');
    if (end?.config) configOf(end.config);
    else if (end !== undefined) say('the config is not signed: nothing vouches for it');
  } catch (error) {
    problems.push(`what vouches for it cannot be read: ${error.message}`);
  }
  if (unlinked > 0) say(`${unlinked} events are from a version without links: nothing vouches for them`);
  return { executionId: bundle.execution_id, events, problems, remarks };
}

/** The lines of each bundle of a file: a new one begins with its first line. */
async function* bundlesOf(lines) {
  let bundle = [];
  for await (const text of lines) {
    if (bundle.length > 0 && /^\s*\{\s*"line"\s*:\s*"bundle"/.test(text)) {
      yield bundle;
      bundle = [];
    }
    bundle.push(text);
  }
  if (bundle.length > 0) yield bundle;
}

async function main([file, keyFile]) {
  if (file === undefined) throw new NoBundle('usage: node tools/check-bundle.mjs bundle.ndjson [public-key.pem]');
  const ownKey = keyFile === undefined ? undefined : readFileSync(keyFile, 'utf8');
  const isArchive = file.endsWith('.gz');
  const stored = createReadStream(file);
  const input = isArchive ? stored.pipe(createGunzip()) : stored;
  const lines = createInterface({ input, crlfDelay: Infinity });
  // What has no end, or is no gzip, is a change like any other.
  const broken = [];
  const cut = new Promise((resolve) => {
    for (const source of [stored, input]) source.on('error', (error) => resolve(broken.push(error)));
  }).then(() => ({ done: true }));
  const texts = lines[Symbol.asyncIterator]();
  const next = () => Promise.race([texts.next(), cut]).catch(() => cut);
  const read = { [Symbol.asyncIterator]: () => ({ next }) };
  let bad = 0;
  let checked = 0;
  for await (const bundle of isArchive ? bundlesOf(read) : [read]) {
    const { executionId, events, problems, remarks } = await checkBundle(bundle, ownKey);
    checked += 1;
    if (problems.length > 0) bad += 1;
    const verdict = problems.length === 0 ? 'the bundle holds' : 'the bundle does not hold';
    const said = [
      ...remarks,
      ...problems.map((problem) => `BROKEN: ${problem}`),
      `${executionId}: ${events} events, ${verdict}`,
    ];
    process.stdout.write(said.map((line) => `${line}\n`).join(''));
  }
  if (broken.length > 0 && !isArchive) throw broken[0];
  if (broken.length > 0) {
    bad += 1;
    process.stdout.write(`BROKEN: the file cannot be read to its end: ${broken[0].message}\n`);
  }
  if (isArchive) process.stdout.write(`${checked} executions, ${bad === 0 ? 'all of them hold' : `${bad} faults`}\n`);
  return bad === 0 ? 0 : 1;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  try {
    process.exitCode = await main(process.argv.slice(2));
  } catch (error) {
    process.stderr.write(`${error.message}\n`);
    process.exitCode = 2;
  }
}
