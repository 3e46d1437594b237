/** A batch in a queue of its own with a real Redis, and the folder that one machine makes of it. */
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { proxyTo } from '../helpers/proxy.js';
import { hasRedis, redisServer } from '../helpers/redisServer.js';
import { assertSameContents, newOut } from '../helpers/runs.js';
import { collected, inputs, madeHere, pairsOf, placesFor, startWorker, workOptions, type RunningWorker } from './workers.js';

export const withRedis = hasRedis ? test : test.skip;
export const files = await inputs();
export const here = hasRedis ? await madeHere(files, 3) : '';

/** The same, with a network between workers and Redis that can be cut; it is there from the first worker on. */
export async function sceneBehindProxy(count: number) {
  let proxy: Awaited<ReturnType<typeof proxyTo>> | undefined;
  const made = await scene(count, async (port) => `redis://127.0.0.1:${(proxy ??= await proxyTo(port)).port}/0`);
  const end = async (): Promise<void> => {
    proxy?.close();
    await made.end();
  };
  return { ...made, end, cut: () => proxy!.cut(), heal: () => proxy!.heal() };
}

/** A batch in a queue of its own. @param queue another address of the server */
export async function scene(count: number, queue?: (port: number) => Promise<string>) {
  const redis = await redisServer();
  const [out, places] = [newOut(), placesFor(redis.url)];
  const options = pairsOf(files, out, count);
  const workers: RunningWorker[] = [];
  const worker = async (change = {}, ...rest: Parameters<typeof startWorker> extends [unknown, ...infer R] ? R : never) => {
    const address = queue ? await queue(redis.port) : redis.url;
    workers.push(startWorker(workOptions({ ...places, queue: address }, change), ...rest));
    return workers.at(-1)!;
  };
  /** Every pair is as on one machine. */
  const assertAll = async (): Promise<void> => {
    const { code, summary } = await collected(options, places);
    assert.equal([code, summary.done], [0, count], JSON.stringify(summary.results));
    for (const { name } of options.pairs) assertSameContents(join(out, name), join(here, name), name);
  };
  const end = async (): Promise<void> => {
    for (const { child } of workers) child.kill('SIGKILL');
    await redis.kill();
  };
  return { redis, out, places, options, worker, assertAll, end };
}
