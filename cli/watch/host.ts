/** A server of pages on 127.0.0.1: its limits, its guard, and what it answers to everything that is not served. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { InputError, UsageError } from '../shared/errors.js';
import type { Asset } from './assets.js';
import { HEADERS, isOwnHost, sameSecret } from './guard.js';

/** Answers a request whose address, after the secret, is `route`. */
type Answer = (route: string, request: IncomingMessage, response: ServerResponse) => Promise<void> | void;

export interface Hosting {
  /** 0 for any free port. */
  readonly port: number;
  /** The first part of every address; absent: there is none, because everything is public. */
  readonly secret?: string;
  /** What to do without a port, and how any free one is asked for, in words. */
  readonly remedy: string;
  readonly anyPort: string;
  readonly answer: Answer;
}

export interface Host {
  readonly url: string;
  /** Closes without waiting for requests. */
  close(): Promise<void>;
}

const LOOPBACK = '127.0.0.1';
/** Anyone on the machine can connect; each connection takes a file from the run. */
const MAX_CONNECTIONS = 64;
/** To send the head of a request, the whole of it, and between two of them. */
const PATIENCE_MS = 5000;
const MAX_HEADER_BYTES = 8192;

const LIMITS = {
  maxHeaderSize: MAX_HEADER_BYTES, headersTimeout: PATIENCE_MS, requestTimeout: PATIENCE_MS, keepAliveTimeout: PATIENCE_MS,
  connectionsCheckingInterval: 1000,
} as const;

/** @throws UsageError when the port is taken or not allowed */
export async function hostPage({ port, secret, remedy, anyPort, answer }: Hosting): Promise<Host> {
  const guarded = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    if (!isOwnHost(request)) return refuse(response, 403, 'only requests to this address under its own name are accepted');
    const [, ...parts] = (request.url ?? '').split('?', 1)[0]!.split('/');
    const isOpen = secret === undefined || (sameSecret(parts.shift(), secret) && parts.length > 0);
    if (!isOpen) return refuse(response, 404, 'nothing here: open the whole address that splice-gpu printed');
    return answer(parts.join('/'), request, response);
  };
  const server = createServer(LIMITS, (request, response) => {
    guarded(request, response).catch(() => {
      if (response.headersSent) response.destroy();
      else refuse(response, 500, 'this can no longer be read');
    });
  });
  server.maxConnections = MAX_CONNECTIONS;
  await listen(server, { port, remedy, anyPort });
  server.on('error', () => undefined); // a connection that cannot be accepted ends no run
  const close = async (): Promise<void> => {
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  };
  const { port: bound } = server.address() as AddressInfo;
  return { url: `http://${LOOPBACK}:${bound}/${secret === undefined ? '' : `${secret}/`}`, close };
}

type Place = Pick<Hosting, 'port' | 'remedy' | 'anyPort'>;

function listen(server: ReturnType<typeof createServer>, { port, remedy, anyPort }: Place): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', ({ code, message }: NodeJS.ErrnoException) => {
      const problem = `the page cannot be served on ${LOOPBACK}:${port} (${message})`;
      const other = (floor: string): string => `choose another${floor}, or ${anyPort} for any free one`;
      if (code === 'EADDRINUSE') reject(new UsageError(`port ${port} is in use: ${other('')}`));
      else if (code === 'EACCES') reject(new UsageError(`port ${port} needs privileges: ${other(' above 1023')}`));
      else reject(new InputError(`${problem}: ${remedy}`));
    });
    server.listen(port, LOOPBACK, resolve);
  });
}

type Headers = Readonly<Record<string, string>>;

/** Whether a request only reads; another one is refused. */
export function isRead({ method }: IncomingMessage, response: ServerResponse): boolean {
  if (method === 'GET' || method === 'HEAD') return true;
  refuse(response, 405, 'only GET and HEAD are allowed here', { allow: 'GET, HEAD' });
  return false;
}

export function send(request: IncomingMessage, response: ServerResponse, { type, body }: Asset, extra: Headers = {}): void {
  response.writeHead(200, { ...HEADERS, 'content-type': type, 'content-length': Buffer.byteLength(body), ...extra });
  response.end(request.method === 'HEAD' ? undefined : body);
}

export function refuse(response: ServerResponse, code: number, why: string, extra: Headers = {}): void {
  // The connection is closed, because the body of a refused request is not read.
  const headers = { ...HEADERS, 'content-type': 'text/plain; charset=utf-8', connection: 'close', ...extra };
  response.writeHead(code, headers).end(`${why}\n`);
}
