/** The page's server: a fixed table of routes on 127.0.0.1. No part of a request's address ever becomes a path on disk. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { InputError, UsageError } from '../shared/errors.js';
import { loadAssets, type Asset } from './assets.js';
import { COMMANDS, type Controls } from './controls.js';
import type { Feed, ReadPng } from './feed.js';
import { HEADERS, isOwnCommand, isOwnHost, newSecret, sameSecret } from './guard.js';
import { sendFeed } from './stream.js';

export interface WatchServer {
  /** To be opened in a browser; whoever has it may look, and press the buttons. */
  readonly url: string;
  /** Tells all pages how the run ended, lets them fetch what they have not seen yet (for at most 3 s), and closes. */
  close(): Promise<void>;
}

export interface WatchOptions {
  /** 0 for any free one. */
  readonly port: number;
  /** Without them the page has no buttons, and no command is taken. */
  readonly controls?: Controls;
}

const LOOPBACK = '127.0.0.1';
const MAX_STREAMS = 16;
const FAREWELL_MS = 3000;
const MAX_HEADER_BYTES = 8192;

/** What cannot be changed by what comes later may stay in the browser's cache for good. */
const FOREVER = { 'cache-control': 'private, max-age=31536000, immutable' };

interface Context {
  readonly feed: Feed;
  readonly controls: Controls | undefined;
  readonly assets: ReadonlyMap<string, Asset>;
  readonly token: string;
  readonly streams: Map<ServerResponse, { end(): void }>;
}

/** @throws UsageError when the port is taken or not allowed */
export async function serveWatch(feed: Feed, { port, controls }: WatchOptions): Promise<WatchServer> {
  const [secret, token] = [newSecret(), newSecret()];
  const context: Context = { feed, controls, token, assets: await loadAssets(controls && token), streams: new Map() };
  const server = createServer({ maxHeaderSize: MAX_HEADER_BYTES, requestTimeout: 10_000 }, (request, response) => {
    answer(context, secret, (server.address() as AddressInfo | null)?.port ?? 0, request, response).catch(() => {
      if (!response.headersSent) refuse(response, 500, 'this could not be read any more');
      else response.destroy();
    });
  });
  await listen(server, port);
  const bound = (server.address() as AddressInfo).port;
  const close = async (): Promise<void> => {
    for (const stream of context.streams.values()) stream.end();
    await goneWithin(context.streams, FAREWELL_MS);
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  };
  return { url: `http://${LOOPBACK}:${bound}/${secret}/`, close };
}

function listen(server: ReturnType<typeof createServer>, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', ({ code, message }: NodeJS.ErrnoException) => {
      if (code === 'EADDRINUSE') reject(new UsageError(`port ${port} is in use: choose another, or none for any free one`));
      else if (code === 'EACCES') reject(new UsageError(`port ${port} needs privileges: choose one above 1023, or none for any free one`));
      else reject(new InputError(`the page cannot be served on ${LOOPBACK}:${port} (${message}): leave out --watch, or choose another port`));
    });
    server.listen(port, LOOPBACK, resolve);
  });
}

/** Pages leave when they have fetched the last picture. */
async function goneWithin(streams: Context['streams'], limit: number): Promise<void> {
  const left = () => [...streams.keys()].map((response) => new Promise((resolve) => response.once('close', resolve)));
  const timeout = new AbortController();
  const waited = new Promise((resolve) => {
    const timer = setTimeout(resolve, limit);
    timeout.signal.addEventListener('abort', () => clearTimeout(timer));
  });
  await Promise.race([Promise.all(left()), waited]);
  timeout.abort();
}

async function answer(context: Context, secret: string, port: number, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (!isOwnHost(request, port)) return refuse(response, 403, 'this address answers to its own name only');
  const [, first, ...rest] = (request.url ?? '').split('?', 1)[0]!.split('/');
  if (!sameSecret(first, secret) || rest.length === 0) return refuse(response, 404, 'nothing here: open the address that splice-gpu printed, as a whole');
  const route = rest.join('/');

  const command = COMMANDS.find((name) => route === `do/${name}`);
  if (command) return obey(context, command, port, request, response);
  if (request.method !== 'GET' && request.method !== 'HEAD') return refuse(response, 405, 'only looking is allowed here', { allow: 'GET, HEAD' });
  const asset = context.assets.get(route);
  if (asset) return send(request, response, asset);
  if (route === 'events') return stream(context, request, response);
  const read = pictureAt(context.feed, route);
  if (read) return send(request, response, { type: 'image/png', body: await read() }, FOREVER);
  return refuse(response, 404, 'nothing here');
}

/** `picture/NAME/VERSION` and `preview/EPOCH/STEP`, looked up in the feed's lists. */
function pictureAt(feed: Feed, route: string): ReadPng | undefined {
  const [, kind, which, number] = /^(picture|preview)\/([a-z]+|\d{1,9})\/(\d{1,9})$/.exec(route) ?? [];
  if (kind === 'picture') return feed.picture(which!, Number(number));
  if (kind === 'preview') return feed.preview(Number(which), Number(number));
  return undefined;
}

function obey({ controls, token }: Context, command: keyof Controls, port: number, request: IncomingMessage, response: ServerResponse): void {
  if (request.method !== 'POST') return refuse(response, 405, 'commands are sent by POST', { allow: 'POST' });
  if (!isOwnCommand(request, port, token)) return refuse(response, 403, 'commands are taken from the page only');
  if (!controls) return refuse(response, 409, 'nothing to command: this page only looks at a folder');
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

function send(request: IncomingMessage, response: ServerResponse, { type, body }: Asset, extra: Readonly<Record<string, string>> = {}): void {
  response.writeHead(200, { ...HEADERS, 'content-type': type, 'content-length': Buffer.byteLength(body), ...extra });
  response.end(request.method === 'HEAD' ? undefined : body);
}

function refuse(response: ServerResponse, code: number, why: string, extra: Readonly<Record<string, string>> = {}): void {
  // The connection is not kept: whatever body a refused request may have is not read.
  response.writeHead(code, { ...HEADERS, 'content-type': 'text/plain; charset=utf-8', connection: 'close', ...extra }).end(`${why}\n`);
}
