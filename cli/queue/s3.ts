/** A store in a bucket of an S3-compatible service. Keys come from the environment or the files that AWS's tools use. */
import { UsageError } from '../shared/errors.js';
import { loadS3 } from './optional.js';
import { StoreError, type Hash, type Place } from './place.js';

/** For one answer, and for a connection. */
const ANSWER_MS = 60_000, CONNECTION_MS = 5000;
const ATTEMPTS = 4;
const KNOWN = ['endpoint', 'path-style', 'region'];

/** `s3://BUCKET/PREFIX?endpoint=URL&path-style=yes&region=NAME`. @throws UsageError for other parameters */
export async function bucketAt(url: URL): Promise<Place> {
  const unknown = [...url.searchParams.keys()].find((name) => !KNOWN.includes(name));
  const isWrong = unknown !== undefined || url.hostname === '' || url.username !== '' || url.password !== '';
  if (isWrong) {
    const form = `s3://BUCKET/PREFIX, after it ?${KNOWN.map((name) => `${name}=...`).join('&')} as needed`;
    throw new UsageError(`--store: the address of a bucket is ${form}; keys come from the environment`);
  }
  const { S3Client, PutObjectCommand, GetObjectCommand, HeadObjectCommand, DeleteObjectCommand } = await loadS3();
  const endpoint = url.searchParams.get('endpoint') ?? undefined;
  const client = new S3Client({
    region: url.searchParams.get('region') ?? process.env['AWS_REGION'] ?? 'us-east-1',
    ...(endpoint !== undefined && { endpoint }),
    forcePathStyle: /^(yes|true|1)$/.test(url.searchParams.get('path-style') ?? ''),
    maxAttempts: ATTEMPTS,
    requestHandler: { requestTimeout: ANSWER_MS, connectionTimeout: CONNECTION_MS },
  });
  const name = `s3://${url.hostname}${url.pathname}${endpoint === undefined ? '' : ` at ${endpoint}`}`;
  const prefix = url.pathname.replace(/^\/+|\/+$/g, '');
  const at = (hash: Hash) => ({ Bucket: url.hostname, Key: prefix === '' ? hash : `${prefix}/${hash}` });
  /** Undefined for what is not there. */
  const asking = <T>(work: Promise<T>): Promise<T | undefined> => work.catch((error: unknown) => {
    if (isMissing(error)) return undefined;
    throw new StoreError(`the store ${name} ${problemOf(error)}`, { cause: error });
  });
  return {
    name,
    size: async (hash) => (await asking(client.send(new HeadObjectCommand(at(hash)))))?.ContentLength,
    read: async (hash) => asking(client.send(new GetObjectCommand(at(hash))).then(
      async ({ Body }) => Buffer.from(await Body!.transformToByteArray()))),
    write: async (hash, bytes) => {
      // The service compares the checksum before the file exists.
      const checked = { ChecksumSHA256: Buffer.from(hash, 'hex').toString('base64') };
      const written = await asking(client.send(new PutObjectCommand({ ...at(hash), Body: bytes, ...checked })));
      if (!written) throw new StoreError(`the store ${name} has no such bucket: create it`);
    },
    remove: async (hash) => void (await asking(client.send(new DeleteObjectCommand(at(hash))))),
  };
}

interface Failure {
  readonly name?: string;
  readonly code?: string;
  readonly message?: string;
  readonly $metadata?: { readonly httpStatusCode?: number };
}

const isMissing = (error: unknown): boolean => {
  const { name = '', $metadata } = error as Failure;
  return /^(NoSuchKey|NotFound)$/.test(name) || ($metadata?.httpStatusCode === 404 && name !== 'NoSuchBucket');
};

const PROBLEMS: readonly (readonly [RegExp, string])[] = [
  [/NoSuchBucket/, 'has no such bucket: create it'],
  [/Credentials/, 'needs keys: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY'],
  [/AccessDenied|InvalidAccessKeyId|SignatureDoesNotMatch|Forbidden|\b40[13]\b/, 'refuses the keys: check them'],
  [/Quota|StorageFull|InsufficientStorage|EntityTooLarge|\b507\b/, 'is full: free some space'],
  [/ECONN|ENOTFOUND|EAI_AGAIN|Timeout|ENETUNREACH|EHOSTUNREACH/, 'cannot be reached: check its address and the network'],
];

function problemOf(error: unknown): string {
  const { name = '', code = '', message = '', $metadata } = error as Failure;
  // An answer to HEAD has a status alone.
  const known = PROBLEMS.find(([pattern]) => pattern.test(`${name} ${code} ${$metadata?.httpStatusCode ?? ''}`));
  return known ? known[1] : `fails (${name} ${message.split('\n', 1)[0]!.slice(0, 200)})`;
}
