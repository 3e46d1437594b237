/** The page's server: a fixed table of routes on 127.0.0.1. No part of a request's address becomes a path on disk. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { InputError, UsageError } from '../shared/errors.js';
import { loadAssets, type Asset } from './assets.js';
import type { Controls } from './controls.js';
import type { Feed } from './feed.js';
import { HEADERS, isOwnCommand, isOwnHost, newSecret, sameSecret } from './guard.js';
import { COMMANDS, newerPath, type CommandName } from './snapshot.js';
import { sendFeed } from './stream.js';

export interface WatchServer {
  /** The address for a browser; it gives access to the page and its buttons. */
  readonly url: string;
  /** Sends the end of the run to all pages, lets them fetch missing pictures (for at most 3 s), and closes. */
  close(): Promise<void>;
}

export interface WatchOptions {
  /** 0 for any free port. */
  readonly port: number;
  /** Without them the page has no buttons, and commands are refused. */
  readonly controls?: Controls;
}

const LOOPBACK = '127.0.0.1';
const MAX_STREAMS = 16;
/** Anyone on the machine can connect; each connection takes a file from the run. */
const MAX_CONNECTIONS = 64;
/** To send the head of a request, the whole of it, and between two of them. */
const PATIENCE_MS = 5000;
const FAREWELL_MS = 3000;
const MAX_HEADER_BYTES = 8192;

/** For addresses whose content never changes. */
const FOREVER = { 'cache-control': 'private, max-age=31536000, immutable' };

const LIMITS = {
  maxHeaderSize: MAX_HEADER_BYTES, headersTimeout: PATIENCE_MS, requestTimeout: PATIENCE_MS, keepAliveTimeout: PATIENCE_MS,
  connectionsCheckingInterval: 1000,
} as const;

interface Context {
  readonly feed: Feed;
  readonly controls: Controls | undefined;
  readonly assets: ReadonlyMap<string, Asset>;
  readonly secret: string;
  readonly token: string;
  readonly streams: Map<ServerResponse, { end(): void }>;
}

/** @throws UsageError when the port is taken or not allowed */
export async function serveWatch(feed: Feed, { port, controls }: WatchOptions): Promise<WatchServer> {
  const [secret, token] = [newSecret(), newSecret()];
  const context: Context = { feed, controls, secret, token, assets: await loadAssets(controls && token), streams: new Map() };
  const server = createServer(LIMITS, (request, response) => {
    answer(context, request, response).catch(() => {
      if (response.headersSent) response.destroy();
      else refuse(response, 500, 'this can no longer be read');
    });
  });
  server.maxConnections = MAX_CONNECTIONS;
  await listen(server, port);
  server.on('error', () => undefined); // a connection that cannot be accepted ends no run
  const bound = (server.address() as AddressInfo).port;
  const close = async (): Promise<void> => {
    for (const stream of context.streams.values()) stream.end();
    // Pages leave once they have fetched the last picture.
    const gone = [...context.streams.keys()].map((response) => new Promise((resolve) => response.once('close', resolve)));
    await Promise.race([Promise.all(gone), wait(FAREWELL_MS, undefined, { ref: false })]);
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  };
  return { url: `http://${LOOPBACK}:${bound}/${secret}/`, close };
}

function listen(server: ReturnType<typeof createServer>, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', ({ code, message }: NodeJS.ErrnoException) => {
      const remedy = 'or none for any free one';
      const problem = `the page cannot be served on ${LOOPBACK}:${port} (${message})`;
      if (code === 'EADDRINUSE') reject(new UsageError(`port ${port} is in use: choose another, ${remedy}`));
      else if (code === 'EACCES') reject(new UsageError(`port ${port} needs privileges: choose one above 1023, ${remedy}`));
      else reject(new InputError(`${problem}: leave out --watch, or choose another port`));
    });
    server.listen(port, LOOPBACK, resolve);
  });
}

async function answer(context: Context, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (!isOwnHost(request)) return refuse(response, 403, 'only requests to this address under its own name are accepted');
  const [, first, ...rest] = (request.url ?? '').split('?', 1)[0]!.split('/');
  const isSecret = sameSecret(first, context.secret) && rest.length > 0;
  if (!isSecret) return refuse(response, 404, 'nothing here: open the whole address that splice-gpu printed');
  const route = rest.join('/');

  const command = COMMANDS.find((name) => route === `do/${name}`);
  if (command) return obey(context, command, request, response);
  const isRead = request.method === 'GET' || request.method === 'HEAD';
  if (!isRead) return refuse(response, 405, 'only GET and HEAD are allowed here', { allow: 'GET, HEAD' });
  const asset = context.assets.get(route);
  if (asset) return send(request, response, asset);
  if (route === 'events') return stream(context, request, response);
  const read = context.feed.png(route);
  if (read) return send(request, response, { type: 'image/png', body: await read() }, FOREVER);
  // A page may ask for a picture in the moment in which the run replaces it.
  const newer = newerPath(context.feed.snapshot().pictures, route);
  if (newer) return void response.writeHead(307, { ...HEADERS, location: `/${context.secret}/${newer}` }).end();
  return refuse(response, 404, 'nothing here');
}

function obey({ controls, token }: Context, command: CommandName, request: IncomingMessage, response: ServerResponse): void {
  if (request.method !== 'POST') return refuse(response, 405, 'commands are sent by POST', { allow: 'POST' });
  if (!isOwnCommand(request, token)) return refuse(response, 403, 'commands are accepted from the page only');
  if (!controls) return refuse(response, 409, 'nothing to command: this page only shows a folder');
  controls[command]();
  response.writeHead(204, HEADERS).end();
}

function stream({ feed, streams }: Context, request: IncomingMessage, response: ServerResponse): void {
  if (request.method === 'HEAD') return refuse(response, 405, 'events are read by GET', { allow: 'GET' });
  if (streams.size >= MAX_STREAMS) return refuse(response, 503, `${MAX_STREAMS} pages are open already: close one`);
  response.writeHead(200, { ...HEADERS, 'content-type': 'text/event-stream' });
  streams.set(response, sendFeed(feed, response));
  response.on('close', () => streams.delete(response));
}

type Headers = Readonly<Record<string, string>>;

function send(request: IncomingMessage, response: ServerResponse, { type, body }: Asset, extra: Headers = {}): void {
  response.writeHead(200, { ...HEADERS, 'content-type': type, 'content-length': Buffer.byteLength(body), ...extra });
  response.end(request.method === 'HEAD' ? undefined : body);
}

function refuse(response: ServerResponse, code: number, why: string, extra: Headers = {}): void {
  // The connection is closed, because the body of a refused request is not read.
  const headers = { ...HEADERS, 'content-type': 'text/plain; charset=utf-8', connection: 'close', ...extra };
  response.writeHead(code, headers).end(`${why}\n`);
}
