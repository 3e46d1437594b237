/** The page's server: a fixed table of routes on 127.0.0.1. No part of a request's address becomes a path on disk. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import { setTimeout as wait } from 'node:timers/promises';
import { loadAssets, type Asset } from './assets.js';
import type { Controls } from './controls.js';
import { InputError, UsageError } from '../shared/errors.js';
import type { Feed } from './feed.js';
import { HEADERS, isOwnCommand, newSecret } from './guard.js';
import { hostPage, isRead, refuse, send } from './host.js';
import { readPainted, type Painting } from './painting.js';
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
  /** Takes what is brushed on the page. @throws Error for people */
  readonly brush?: Painting['brush'];
}

const MAX_STREAMS = 16;
const FAREWELL_MS = 3000;

/** For addresses whose content never changes. */
const FOREVER = { 'cache-control': 'private, max-age=31536000, immutable' };

interface Context {
  readonly feed: Feed;
  readonly controls: Controls | undefined;
  readonly brush: Painting['brush'] | undefined;
  readonly assets: ReadonlyMap<string, Asset>;
  readonly secret: string;
  readonly token: string;
  readonly streams: Map<ServerResponse, { end(): void }>;
}

/** @throws UsageError when the port is taken or not allowed */
export async function serveWatch(feed: Feed, { port, controls, brush }: WatchOptions): Promise<WatchServer> {
  const [secret, token] = [newSecret(), newSecret()];
  const assets = await loadAssets(controls && token);
  const context: Context = { feed, controls, brush, secret, token, assets, streams: new Map() };
  const host = await hostPage({
    port, secret, remedy: 'leave out --watch, or choose another port', anyPort: 'none',
    answer: (...asked) => answer(context, ...asked),
  });
  const close = async (): Promise<void> => {
    for (const stream of context.streams.values()) stream.end();
    // Pages leave once they have fetched the last picture.
    const gone = [...context.streams.keys()].map((response) => new Promise((resolve) => response.once('close', resolve)));
    await Promise.race([Promise.all(gone), wait(FAREWELL_MS, undefined, { ref: false })]);
    await host.close();
  };
  return { url: host.url, close };
}

async function answer(context: Context, route: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const command = COMMANDS.find((name) => route === `do/${name}`);
  if (command) return obey(context, command, request, response);
  if (route === 'do/brush') return paint(context, request, response);
  if (!isRead(request, response)) return;
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

/** Whether a request is a command of the page; another one is refused. */
function isCommand({ token }: Context, request: IncomingMessage, response: ServerResponse): boolean {
  if (request.method !== 'POST') refuse(response, 405, 'commands are sent by POST', { allow: 'POST' });
  else if (!isOwnCommand(request, token)) refuse(response, 403, 'commands are accepted from the page only');
  else return true;
  return false;
}

const FOLDER_ONLY = 'nothing to command: this page only shows a folder';

function obey(context: Context, command: CommandName, request: IncomingMessage, response: ServerResponse): void {
  if (!isCommand(context, request, response)) return;
  if (!context.controls) return refuse(response, 409, FOLDER_ONLY);
  context.controls[command]();
  response.writeHead(204, HEADERS).end();
}

/** A refusal of what is brushed is an answer for people. */
async function paint(context: Context, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (!isCommand(context, request, response)) return;
  if (!context.brush) return refuse(response, 409, FOLDER_ONLY);
  try {
    await context.brush(await readPainted(request));
    response.writeHead(204, HEADERS).end();
  } catch (error) {
    if (!(error instanceof InputError || error instanceof UsageError)) throw error;
    refuse(response, 422, error.message);
  }
}

function stream({ feed, streams }: Context, request: IncomingMessage, response: ServerResponse): void {
  if (request.method === 'HEAD') return refuse(response, 405, 'events are read by GET', { allow: 'GET' });
  if (streams.size >= MAX_STREAMS) return refuse(response, 503, `${MAX_STREAMS} pages are open already: close one`);
  response.writeHead(200, { ...HEADERS, 'content-type': 'text/event-stream' });
  streams.set(response, sendFeed(feed, response));
  response.on('close', () => streams.delete(response));
}
