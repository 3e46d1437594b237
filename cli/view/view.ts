/** The work of `splice-gpu view`: the page of a run in a folder, finished or not. */
import { setTimeout } from 'node:timers/promises';
import { isHeld } from '../shared/lock.js';
import { writeLine, type Io } from '../shared/progress.js';
import { openRunFolder } from './folder.js';
import { serveWatch } from '../watch/server.js';

export interface ViewOptions {
  readonly folder: string;
  /** 0 for any free one. */
  readonly port: number;
  readonly json: boolean;
}

const REFRESH_MS = 1000;

/** Serves until it is interrupted, its normal end with exit code 0. @throws InputError when the folder holds no run */
export async function view({ folder, port, json }: ViewOptions, { interrupt, stdout, stderr }: Io): Promise<number> {
  const feed = await openRunFolder(folder, isHeld, (line) => writeLine(stderr, line));
  const server = await serveWatch(feed, { port });
  stdout.write(json ? `${JSON.stringify({ url: server.url })}\n` : `${server.url}\n`);
  stderr.write('open this address in a browser; Ctrl-C ends it\n');
  while (!interrupt.aborted) {
    await setTimeout(REFRESH_MS, undefined, { signal: interrupt }).catch(() => undefined);
    await feed.refresh();
  }
  await server.close();
  return 0;
}
