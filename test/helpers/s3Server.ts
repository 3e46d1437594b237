/** Services that speak S3: a real one, s3rver, and one whose disk fills when a test wants it. */
import { createHash } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { temporaryFolder } from './pictures.js';

/** Those of s3rver. */
export const KEYS = { AWS_ACCESS_KEY_ID: 'S3RVER', AWS_SECRET_ACCESS_KEY: 'S3RVER' } as const;

const PREFIX = 'some/prefix';
const storeAt = (port: number): string => `s3://bucket/${PREFIX}?endpoint=http://127.0.0.1:${port}&path-style=yes`;

/** A real one, which checks signatures and keeps its files in a folder. */
export async function s3rver() {
  const directory = temporaryFolder();
  const options = { address: '127.0.0.1', port: 0, silent: true, directory, configureBuckets: [{ name: 'bucket' }] };
  const server = new (createRequire(import.meta.url)('@20minutes/s3rver') as Server)(options);
  const { port } = await server.run();
  return { store: storeAt(port), files: join(directory, 'bucket', PREFIX), close: () => server.close() };
}

type Server = new (options: object) => { run(): Promise<{ readonly port: number }>; close(): Promise<void> };

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

/** One that can be full: PUT with its checksum compared, GET, HEAD and DELETE by path style. */
export async function s3Server(): Promise<S3Server> {
  const served: S3Server = { store: '', files: new Map(), counts: {}, isFull: () => false, close: () => void server.close() };
  const server = createServer((request, response) => void answer(served, request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as { port: number };
  return Object.assign(served, { store: storeAt(port) });
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
