/**
 * The part of the S3 protocol that a store uses, over HTTP: PUT with its checksum compared, GET, HEAD, DELETE by path style, and
 * the errors that services answer with. There is no such server in Debian 12, and those of npm need Node 24 or are unmaintained.
 */
import { createHash, createHmac } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';

export const KEYS = { AWS_ACCESS_KEY_ID: 'test', AWS_SECRET_ACCESS_KEY: 'secret of the test' } as const;

export interface S3Server {
  /** The value of --store for its bucket. */
  readonly store: string;
  readonly files: Map<string, Buffer>;
  /** Requests by their method. */
  readonly counts: Record<string, number>;
  /** As long as it returns true for a file, the disk is full. */
  isFull: (name: string) => boolean;
  close(): void;
}

export async function s3Server(): Promise<S3Server> {
  const served: S3Server = { store: '', files: new Map(), counts: {}, isFull: () => false, close: () => void server.close() };
  const server = createServer((request, response) => void answer(served, request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return Object.assign(served, { store: `s3://bucket/some/prefix?endpoint=http://127.0.0.1:${port}&path-style=yes` });
}

async function answer(served: S3Server, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const { method = '', url = '' } = request;
  const path = new URL(url, 'http://x').pathname;
  const refuse = (status: number, code: string): void => {
    const text = method === 'HEAD' ? '' : `<Error><Code>${code}</Code></Error>`;
    response.writeHead(status, { 'content-type': 'application/xml' }).end(text);
  };
  served.counts[method] = (served.counts[method] ?? 0) + 1;
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  const body = Buffer.concat(parts);
  if (!isSigned(request)) return refuse(403, 'SignatureDoesNotMatch');
  if (!path.startsWith('/bucket/')) return refuse(404, 'NoSuchBucket');
  const found = served.files.get(path);
  if (method === 'PUT') {
    const checksum = createHash('sha256').update(body).digest('base64');
    if (request.headers['x-amz-checksum-sha256'] !== checksum) return refuse(400, 'BadDigest');
    if (served.isFull(path)) return refuse(507, 'InsufficientStorage');
    served.files.set(path, body);
    return void response.writeHead(200).end();
  }
  if (method === 'DELETE') {
    served.files.delete(path);
    return void response.writeHead(204).end();
  }
  if (!found) return refuse(404, 'NoSuchKey');
  response.writeHead(200, { 'content-length': found.length }).end(method === 'HEAD' ? undefined : found);
}

/** Whether a request has the right signature, version 4. https://docs.aws.amazon.com/general/latest/gr/sigv4_signing.html */
function isSigned({ method, url, headers }: IncomingMessage): boolean {
  const pattern = /^AWS4-HMAC-SHA256 Credential=([^/]+)\/((\d{8})\/([^/]+)\/s3\/aws4_request), SignedHeaders=([^,]+), Signature=/;
  const [start = '', key, scope, date, region, names = ''] = pattern.exec(headers.authorization ?? '') ?? [];
  if (key !== KEYS.AWS_ACCESS_KEY_ID) return false;
  const { pathname, searchParams } = new URL(url!, 'http://x');
  searchParams.sort();
  const lines = names.split(';').map((name) => `${name}:${String(headers[name]).trim().replace(/\s+/g, ' ')}\n`).join('');
  const canonical = [method, pathname, searchParams, lines, names, headers['x-amz-content-sha256']].join('\n');
  const hashed = createHash('sha256').update(canonical).digest('hex');
  const text = ['AWS4-HMAC-SHA256', headers['x-amz-date'], scope, hashed].join('\n');
  const steps = [date!, region!, 's3', 'aws4_request', text];
  const secret: string | Buffer = `AWS4${KEYS.AWS_SECRET_ACCESS_KEY}`;
  const made = steps.reduce<string | Buffer>((from, step) => createHmac('sha256', from).update(step).digest(), secret);
  return (made as Buffer).toString('hex') === headers.authorization!.slice(start.length);
}
