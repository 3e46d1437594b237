/** What may go wrong around a queue, each with a real Redis: no job is lost, and every result is byte-equal. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { constants } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { openStore } from '../../cli/queue/store.js';
import { compiled } from '../faults/inject.js';
import { temporaryFolder } from '../helpers/pictures.js';
import { hasRedis } from '../helpers/redisServer.js';
import { assertSameContents, configOf, failure, newOut } from '../helpers/runs.js';
import { KEYS, s3rver, s3Server } from '../helpers/s3Server.js';
import { files, here, scene, sceneBehindProxy, withRedis } from './scene.js';
import { collected, firstSave, pairsOf, startWorker, workOptions } from './workers.js';

Object.assign(process.env, KEYS);

const saved = (places: { readonly store: string }): number =>
  readdirSync(new URL(places.store), { recursive: true }).length;

withRedis('a worker killed with SIGKILL is replaced by another, which goes on from the last save', async () => {
  const { redis, out, options, places, worker, assertAll, end } = await scene(1);
  await collected(options, places, true);
  const first = await worker({}, { STEP_MS: 40 });
  await firstSave(redis);
  first.child.kill('SIGKILL');
  const second = await worker();
  await assertAll();
  assert.match(second.text(), /pair 1: begins after \d+ of 30 steps/);
  assert.is(configOf(join(out, 'pair 1')).madeBy.workers.length, 2);
  assert.is(configOf(join(out, 'pair 1')).resumed.length, 1);
  await end();
});

withRedis('termination finishes the step, saves, and hands the job back at once', async () => {
  const { redis, out, options, places, worker, assertAll, end } = await scene(1);
  await collected(options, places, true);
  const first = await worker({ lease: 120 }, { STEP_MS: 40 });
  await firstSave(redis);
  first.child.kill('SIGTERM');
  assert.equal(await first.ended, { code: 130, signal: null });
  assert.match(first.text(), /pair 1: handed back: interrupted/);
  await worker({ lease: 120 }); // the lease of the first is not waited for
  await assertAll();
  const [{ step }] = configOf(join(out, 'pair 1')).resumed;
  assert.ok(step > 0 && step < 30, `resumed at ${step}`);
  await end();
});

withRedis('Redis is killed and started again while jobs are trained', async () => {
  const { redis, options, places, worker, assertAll, end } = await scene(3);
  await collected(options, places, true);
  const workers = [await worker({}, { STEP_MS: 40 }), await worker({}, { STEP_MS: 40 })];
  await firstSave(redis);
  await sleep(1100); // what came in the last second may be lost, by Redis's own rule
  await redis.kill();
  await sleep(500);
  await redis.start();
  await assertAll();
  for (const { child, text } of workers) assert.is(child.exitCode, null, `a worker ended: ${text()}`);
  await end();
});

withRedis('a worker whose network is cut goes on training, and delivers afterwards', async () => {
  const { redis, out, options, places, worker, assertAll, end, cut, heal } = await sceneBehindProxy(1);
  await collected(options, places, true);
  await worker({ lease: 60 }, { STEP_MS: 40 });
  await firstSave(redis);
  cut();
  const before = saved(places);
  for (const began = performance.now(); saved(places) === before; await sleep(50)) {
    assert.ok(performance.now() - began < 30_000, 'nothing was stored while the network was cut');
  }
  heal();
  await assertAll();
  assert.is(configOf(join(out, 'pair 1')).resumed, undefined);
  await end();
});

withRedis('a worker that lost Redis for good saves and ends with a clear line', async () => {
  const { redis, options, places, worker, end } = await scene(1);
  await collected(options, places, true);
  const lonely = await worker({ patience: 1 }, { STEP_MS: 40 });
  await firstSave(redis);
  await redis.kill();
  assert.equal(await lonely.ended, { code: 1, signal: null });
  assert.match(lonely.text(), /splice-gpu: redis:\S+ has not answered for \d+ s: start the worker again when it does/);
  await redis.start();
  await end();
});

withRedis('a full store is waited for, and the result delivered when there is space', async () => {
  const [{ redis, out, options, places, end }, s3] = [await scene(1), await s3Server()];
  const there = { ...places, store: s3.store };
  await collected(options, there, true);
  const known = new Set(s3.files.keys());
  let refused = 0;
  s3.isFull = (name) => !known.has(name) && ++refused > 0;
  const worker = startWorker(workOptions(there));
  await worker.until(/s3:\/\/bucket\/some\/prefix at \S+ is full: free some space; the result waits for it/);
  s3.isFull = () => false;
  const { code, summary } = await collected(options, there);
  assert.equal([code, summary.done, refused > 0], [0, 1, true]);
  assertSameContents(join(out, 'pair 1'), join(here, 'pair 1'));
  // Photos and weights travel once.
  const sent = s3.counts['PUT'];
  assert.is((await collected(pairsOf(files, newOut(), 1), there)).code, 0);
  assert.is(s3.counts['PUT'], sent);
  worker.child.kill('SIGKILL');
  s3.close();
  assert.ok(redis);
  await end();
});

test('a bucket that is missing, refuses the keys or cannot be reached is named', async () => {
  const s3 = await s3rver();
  const store = await openStore(s3.store);
  const hash = await store.put(Buffer.from('a photo'));
  assert.is(String(await store.get(hash)), 'a photo');
  const [file] = readdirSync(s3.files).filter((name) => name.startsWith(hash) && name.endsWith('_object'));
  const written = (): number => statSync(join(s3.files, file!)).mtimeMs;
  const first = written();
  await store.put(Buffer.from('a photo'));
  assert.is(written(), first);
  writeFileSync(join(s3.files, file!), 'another');
  assert.match((await failure(store.get(hash))).message, /has a damaged file [0-9a-f]{64}: delete it/);
  await store.remove(hash);
  await store.remove(hash);
  assert.match((await failure(store.get(hash))).message, /has no file/);
  const problem = async (address: string): Promise<string> => (await failure(openStore(address))).message;
  assert.match(await problem(s3.store.replace('bucket', 'other')), /has no such bucket: create it$/);
  for (const name of ['AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'] as const) {
    process.env[name] = 'wrong';
    assert.match(await problem(s3.store), /refuses the keys: check them/, name);
    process.env[name] = KEYS[name];
  }
  assert.match(await problem('s3://bucket/x?endpoint=http://127.0.0.1:1&path-style=yes'), /cannot be reached/);
  assert.match(await problem('s3://me:secret@bucket/x'), /keys come from the environment$/);
  await s3.close();
});

const canInject = hasRedis && process.platform === 'linux' && spawnSync('cc', ['--version']).status === 0;

(canInject ? test : test.skip)('a worker whose disk is full hands the job back and ends; another makes it', async () => {
  const { options, places, worker, assertAll, end } = await scene(1);
  await collected(options, places, true);
  const env = { LD_PRELOAD: compiled(temporaryFolder()), INJECT_BELOW: places.scratch, INJECT_CALL: 'write' };
  const full = { ...env, INJECT_HOW: String(constants.errno.ENOSPC) };
  // Among the job's inputs, and in the training.
  for (const at of [2, 20]) {
    const broken = await worker({}, {}, { ...full, INJECT_AT: String(at) });
    assert.equal(await broken.ended, { code: 1, signal: null }, broken.text());
    assert.match(broken.text(), /splice-gpu: \S+ does not fit: the disk is full.*; the job is handed back/);
  }
  await worker();
  await assertAll();
  await end();
});

withRedis('a job that kills its worker is given up after three tries, with its log', async () => {
  const { out, options, places, worker, end } = await scene(1);
  await collected(options, places, true);
  for (let i = 0; i < 3; i++) {
    const poisoned = await worker({ lease: 1 }, { POISON: 3 });
    assert.equal((await poisoned.ended).signal, 'SIGKILL');
  }
  await worker({ lease: 1 });
  const { code, summary: { results } } = await collected(options, places);
  assert.is(code, 1);
  assert.match(results[0].error, /^given up: 3 times its worker ended before the job had saved anything new; "splice-gpu queue/);
  assert.equal(readFileSync(join(out, 'pair 1/worker.log'), 'utf8').match(/ taken by \S+, try \d/g)?.length, 3);
  await end();
});

test.run();
