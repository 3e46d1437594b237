/** The connection to Redis: its address, what is checked before the first job, and when it counts as lost. */
import type { Redis } from 'ioredis';
import { InputError, UsageError } from '../shared/errors.js';
import { loadRedis } from './optional.js';
import { shownAddress } from './store.js';

export const PASSWORD = 'SPLICE_GPU_QUEUE_PASSWORD';
/** BullMQ's own limit, and the version that it advises. */
const LEAST = '5.0.0', ADVISED = '6.2.0';
const NO_FILE = 'keeps no append-only file: set "appendonly yes", or a crash of it loses jobs';
const FIRST_MS = 5000;
/** Longest pause between two attempts to connect again. */
const MOST_PAUSE_MS = 2000;

/** @throws UsageError for an address that is none of Redis, or that shows a password to all users of this machine */
export function checkAddress(address: string): string {
  const url = URL.canParse(address) ? new URL(address) : undefined;
  if (!url || !['redis:', 'rediss:'].includes(url.protocol)) {
    throw new UsageError(`--queue ${shownAddress(address)} is no address of Redis: give redis://HOST/0, or rediss:// for TLS`);
  }
  if (url.password !== '') {
    throw new UsageError(`--queue holds a password, which other users of this machine can read: set ${PASSWORD} instead`);
  }
  return address;
}

export interface Connected {
  readonly client: Redis;
  /** For people. */
  readonly name: string;
  /** Lines about what could lose jobs. */
  readonly notes: readonly string[];
  /** Milliseconds since which there is no connection; 0 with one. */
  lost(): number;
}

/** @throws InputError when Redis cannot be reached, is too old, or may forget jobs */
export async function connectRedis(address: string): Promise<Connected> {
  const { Redis } = await loadRedis();
  const password = process.env[PASSWORD];
  const options = { ...(password && { password }), connectTimeout: FIRST_MS, maxRetriesPerRequest: null };
  const name = shownAddress(checkAddress(address));
  const first = new Redis(address, { ...options, lazyConnect: true, retryStrategy: () => null });
  let problem: Error | undefined;
  first.on('error', (error: Error) => (problem ??= error));
  let notes: string[];
  try {
    await first.connect().catch((error: Error) => {
      throw unreachable(name, problem ?? error);
    });
    notes = checkInfo(name, await first.info().catch((error: Error) => {
      throw unreachable(name, error);
    }));
  } finally {
    first.disconnect();
  }
  const client = new Redis(address, { ...options, retryStrategy: (times) => Math.min(100 * 2 ** times, MOST_PAUSE_MS) });
  let since = 0;
  client.on('error', () => undefined); // each attempt tells again
  client.on('close', () => (since ||= performance.now()));
  client.on('ready', () => (since = 0));
  return { client, name, notes, lost: () => (since === 0 ? 0 : performance.now() - since) };
}

function unreachable(name: string, { message }: Error): InputError {
  if (/certificate|altnames/i.test(message)) {
    const remedy = 'set NODE_EXTRA_CA_CERTS to the file of its authority';
    return new InputError(`${name} shows a certificate that is not trusted (${message}): ${remedy}`);
  }
  if (/NOAUTH|WRONGPASS|NOPERM/.test(message)) return new InputError(`${name} wants a password: set ${PASSWORD}`);
  return new InputError(`Redis cannot be reached at ${name} (${message}): check the address, and that it runs`);
}

/** The notes on a server's INFO. @throws InputError for a server that would lose jobs */
export function checkInfo(name: string, info: string): string[] {
  const of = (field: string): string => new RegExp(`^${field}:(.*?)\\r?$`, 'm').exec(info)?.[1] ?? '';
  const version = of('redis_version');
  const isOlder = (than: string): boolean => version.localeCompare(than, 'en', { numeric: true }) < 0;
  if (isOlder(LEAST)) throw new InputError(`${name} is Redis ${version}: ${LEAST} or later is needed, ${ADVISED} advised`);
  const policy = of('maxmemory_policy');
  if (policy !== '' && policy !== 'noeviction') {
    throw new InputError(`${name} forgets jobs when its memory is full: set "maxmemory-policy noeviction", it is ${policy}`);
  }
  return [
    ...(isOlder(ADVISED) ? [`note: ${name} is Redis ${version}: ${ADVISED} or later is advised`] : []),
    ...(of('aof_enabled') === '0' ? [`note: ${name} ${NO_FILE}`] : []),
  ];
}
