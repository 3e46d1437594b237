/** A batch by a queue, with a real Redis and workers in processes of their own; files by content; checks at the start. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { pack, readList, unpack } from '../../cli/queue/bundle.js';
import { jobMaker, parseDescription } from '../../cli/queue/job.js';
import { versionNote } from '../../cli/queue/jobs.js';
import { manageQueue } from '../../cli/queue/manage.js';
import { checkAddress, checkInfo, connectRedis } from '../../cli/queue/redis.js';
import { relocate } from '../../cli/queue/relocate.js';
import { openStore } from '../../cli/queue/store.js';
import { sha256 } from '../../cli/shared/files.js';
import { batch, type BatchOptions } from '../../cli/transfer/batch/batch.js';
import { parseOptions } from '../../cli/transfer/options.js';
import { BIN } from '../faults/runs.js';
import { fakeParts } from '../helpers/fakeRun.js';
import { temporaryFile, temporaryFolder } from '../helpers/pictures.js';
import { hasRedis, redisServer } from '../helpers/redisServer.js';
import { assertSameContents, configOf, failure, newOut } from '../helpers/runs.js';
import { KEYS, s3rver } from '../helpers/s3Server.js';
import { collected, inputs, madeHere, pairsOf, placesFor, startWorker, workOptions } from './workers.js';

const withRedis = hasRedis ? test : test.skip;
const files = await inputs();

test('a store keeps files by their content, and refuses what is missing or damaged', async () => {
  const folder = temporaryFolder();
  const store = await openStore(pathToFileURL(folder).href);
  const hash = await store.put(Buffer.from('a photo'));
  assert.is(hash, sha256(Buffer.from('a photo')));
  assert.is(String(await store.get(hash)), 'a photo');
  assert.match((await failure(store.get('0'.repeat(64)))).message, /^file:.* has no file 0{64}: enqueue the job again$/);
  assert.match((await failure(store.get('../../etc/passwd'))).message, /has no file/);
  writeFileSync(join(folder, hash.slice(0, 2), hash), 'another');
  assert.match((await failure(store.get(hash))).message, /has a damaged file [0-9a-f]{64}: delete it/);
  assert.match((await failure(openStore('file:///no/such/folder'))).message, /there is no folder \/no\/such\/folder: create it/);
  assert.match((await failure(openStore('ftp://me:secret@x'))).message, /^--store ftp:\/\/\.\.\.@x is no store/);
});

test('a folder of frames is refused before anything is stored', async () => {
  const [places, frames] = [temporaryFolder(), temporaryFolder()];
  const store = await openStore(pathToFileURL(places).href);
  const before = readdirSync(places);
  const { pairs: [pair] } = pairsOf(files, newOut(), 1);
  const make = jobMaker(store, fakeParts().parts);
  const message = `${frames} is a folder of frames, and a queue takes photos: leave out --queue`;
  assert.is((await failure(make({ ...pair!.options, structure: frames }))).message, message);
  assert.equal(readdirSync(places), before);
});

test('only files of a run are taken out of a list', async () => {
  const [from, to] = [temporaryFolder(), join(temporaryFolder(), 'to')];
  const store = await openStore(pathToFileURL(temporaryFolder()).href);
  mkdirSync(join(from, 'checkpoints'));
  for (const name of ['config.json', 'checkpoints/00002.safetensors', '.running-1.json', 'notes.txt']) {
    writeFileSync(join(from, name), name);
  }
  const { list } = await pack(from, store);
  await unpack(await readList(list, store), to, store);
  assert.equal(readdirSync(to, { recursive: true, encoding: 'utf8' }).sort(), [
    'checkpoints', 'checkpoints/00002.safetensors', 'config.json',
  ]);
  const hash = await store.put(Buffer.from('x'));
  const others = ['../x.png', '/etc/x.png', 'previews/../../00001.png', 'a.sh', 'seeds/../config.json', 'config.json\0.png'];
  for (const name of others) {
    const bad = await store.put(Buffer.from(JSON.stringify({ format: 'splice-gpu run 1', files: { [name]: hash } })));
    assert.match((await failure(readList(bad, store))).message, /has something else than a run/, name);
  }
});

test('a description that names a path, or is of another version, is refused', () => {
  const hash = '0'.repeat(64);
  const right = {
    program: 'splice-gpu job 1', version: '0.1.0', structure: hash, appearance: hash, options: {}, choose: [], tune: true,
    model: { sha256: hash, name: 'x', config: {} },
  };
  const parsed = (change: object) => parseDescription(Buffer.from(JSON.stringify({ ...right, ...change })));
  parsed({});
  const model = { ...right.model, sha256: '../x' };
  for (const change of [{ structure: '/etc/passwd' }, { model }, { choose: ['out'] }, { program: 1 }]) {
    assert.throws(() => parsed(change), /not described as this program does it/);
  }
  assert.throws(() => parsed({ version: '9' }), /the job is of version 9, this worker of 0\.1\.0/);
});

test('an address of Redis is one, and shows no password', () => {
  assert.throws(() => checkAddress('postgres://x'), /is no address of Redis/);
  const message = /^--queue holds a password, which other users of this machine can read: set SPLICE_GPU_QUEUE_PASSWORD instead$/;
  assert.throws(() => checkAddress('redis://me:secret@host/0'), (error: Error) => message.test(error.message));
});

test('a server that would lose jobs is named', () => {
  const info = (version: string, policy: string, aof: number): string =>
    `redis_version:${version}\r\nmaxmemory_policy:${policy}\r\naof_enabled:${aof}\r\n`;
  assert.equal(checkInfo('x', info('7.0.15', 'noeviction', 1)), []);
  const notes = checkInfo('x', info('6.0.1', 'noeviction', 0)).join('\n');
  assert.match(notes, /is Redis 6\.0\.1: 6\.2\.0 or later is advised\n.*"appendonly yes"/);
  assert.throws(() => checkInfo('x', info('4.0.9', 'noeviction', 1)), /is Redis 4\.0\.9: 5\.0\.0 or later is needed/);
  assert.throws(() => checkInfo('x', info('7.0.0', 'allkeys-lru', 1)), /set "maxmemory-policy noeviction", it is allkeys-lru/);
});

withRedis('Redis that is away, wants a password or evicts is named in one line', async () => {
  assert.match((await failure(connectRedis('redis://127.0.0.1:1/0'))).message, /^Redis cannot be reached at .*ECONNREFUSED/);
  const guarded = await redisServer('--requirepass', 'secret');
  assert.match((await failure(connectRedis(guarded.url))).message, /wants a password: set SPLICE_GPU_QUEUE_PASSWORD$/);
  process.env['SPLICE_GPU_QUEUE_PASSWORD'] = 'secret';
  (await connectRedis(guarded.url)).client.disconnect();
  delete process.env['SPLICE_GPU_QUEUE_PASSWORD'];
  await guarded.kill();
  const evicting = await redisServer('--maxmemory-policy', 'allkeys-lru', '--maxmemory', '50mb');
  assert.match((await failure(connectRedis(evicting.url))).message, /forgets jobs when its memory is full/);
  await evicting.kill();
});

withRedis('pairs by a queue are byte-equal to those of one machine, and nothing is made twice', async () => {
  const redis = await redisServer();
  const [here, out, places] = [await madeHere(files, 3), newOut(), placesFor(redis.url)];
  const options = pairsOf(files, out, 3);
  const enqueued = await collected(options, places, true);
  assert.equal([enqueued.code, enqueued.summary.enqueued], [0, 3]);
  const worker = startWorker(workOptions(places, { untilEmpty: true }));
  const { code, summary } = await collected(options, places);
  assert.equal([code, summary.done, summary.failed, summary.workers.length], [0, 3, 0, 1]);
  for (const { name } of options.pairs) assertSameContents(join(out, name), join(here, name), name);
  assert.equal(await worker.ended, { code: 0, signal: null });
  assert.match(configOf(join(out, 'pair 1')).madeBy.job, /^[0-9a-f]{64}$/);
  const report = readFileSync(join(out, 'report.html'), 'utf8');
  assert.is(report.match(/made by \S+ \(fake\)/g)?.length, 3);
  assert.is(report.match(/training time/g)?.length, 3);
  // Again: nothing is left to do, for this command or for a worker.
  assert.equal((await collected(options, places)).stderr.includes('0 jobs in the queue; 3 pairs done already'), true);
  // In Redis are names, hashes and counts, and no path.
  const client = redis.client();
  for (const key of await client.keys('*:jobs-*:*')) {
    if ((await client.type(key)) === 'hash') assert.not.match(JSON.stringify(await client.hgetall(key)), /\.png|safetensors|tmp/);
  }
  client.disconnect();
  await redis.kill();
});

withRedis('a queue is paused, a job cancelled, and what failed is tried again', async () => {
  const redis = await redisServer();
  const [out, places] = [newOut(), placesFor(redis.url)];
  const told = async (command: 'status' | 'pause' | 'resume' | 'cancel' | 'retry' | 'clean', name?: string): Promise<any> => {
    const { parts, heard } = fakeParts();
    await manageQueue({ command, ...(name !== undefined && { name }), queue: redis.url, json: true }, parts);
    return JSON.parse(heard.stdout);
  };
  const options = pairsOf(files, out, 3);
  await told('pause');
  await collected(options, places, true);
  const worker = startWorker(workOptions(places), { STEP_MS: 40 });
  await worker.until(/takes jobs/);
  assert.equal((await told('cancel', 'pair 2')).jobs, ['pair 2']);
  const { paused, counts, workers } = await told('status');
  assert.equal([paused, counts.active, workers.length <= 1], [true, 0, true]);
  await told('resume');
  await worker.until(/pair 1: begins/);
  await told('cancel', 'pair 1');
  await worker.until(/pair 1: handed back: cancelled/);
  const first = await collected(options, places);
  assert.equal([first.code, first.summary.done], [1, 2]); // what was taken out is enqueued again, what has failed is not
  assert.match(first.summary.results[0].error, /^cancelled; "splice-gpu queue retry" tries it again$/);
  assert.equal((await told('retry')).jobs, ['pair 1']);
  const { code, summary } = await collected(options, places);
  assert.equal([code, summary.done], [0, 3]);
  assert.match((await failure(told('cancel', 'pair 9'))).message, /no job called "pair 9" is in training or waiting/);
  assert.is((await told('clean')).jobs.length, 3);
  worker.child.kill('SIGTERM');
  assert.is((await worker.ended).code, 130);
  await redis.kill();
});

withRedis('the best of several seeds is found by a worker as by this machine, and travels through a bucket', async () => {
  const [redis, s3] = [await redisServer(), await s3rver()];
  Object.assign(process.env, KEYS);
  const several = (out: string): BatchOptions => {
    const { pairs: [pair], ...rest } = pairsOf(files, out, 1);
    return { ...rest, pairs: [{ ...pair!, options: { ...pair!.options, seeds: { count: 2, first: 1 } } }] };
  };
  const [here, out, places] = [newOut(), newOut(), { ...placesFor(redis.url), store: s3.store }];
  await batch(several(here), fakeParts().parts);
  await collected(several(out), places, true);
  assert.is((await startWorker(workOptions(places, { untilEmpty: true })).ended).code, 0);
  assert.is((await collected(several(out), places)).code, 0);
  assertSameContents(join(out, 'pair 1'), join(here, 'pair 1'));
  await s3.close();
  await redis.kill();
});

test('a state that names files of the worker reads none of them', async () => {
  const folder = join(temporaryFolder(), 'run');
  await batch(pairsOf(files, folder, 1), fakeParts().parts);
  const run = join(folder, 'pair 1');
  const secret = { path: '/etc/passwd', sha256: '0'.repeat(64) };
  const hostile = {
    ...configOf(run), structure: secret, appearance: secret, generator: secret, branch: { from: '/etc', step: 1, set: {} },
    structureRegions: secret, appearanceRegions: secret, looks: [{ colour: '#ff0000', path: '/etc/passwd' }],
    model: { ...configOf(run).model, given: '/etc/passwd', path: '/etc/passwd' },
    options: { ...configOf(run).options, seeds: { count: 2, first: 1, judge: '/etc/passwd' } },
  };
  writeFileSync(join(run, 'config.json'), JSON.stringify(hostile));
  await relocate(run, files);
  const made = readFileSync(join(run, 'config.json'), 'utf8');
  assert.not.match(made, /passwd|"\/etc/);
  const options = parseOptions(JSON.parse(made), { folder: run, json: false });
  assert.equal([options.structure, options.appearance, options.model], [files.structure, files.appearance, files.model]);
  assert.equal([options.generator, options.branch, options.seeds?.judge], [undefined, undefined, undefined]);
});

test('workers of another version are told of', () => {
  const note = (version: string) => versionNote([{ name: 'a', version }]);
  assert.is(note('0.1.0'), undefined);
  assert.is(note('9.9.9'), 'note: there are workers of version 9.9.9: they leave jobs of this one, 0.1.0, alone');
});

test('an installation without the packages says what to install', async () => {
  const hook = `export const resolve = (name, context, next) => {
    if (/^(bullmq|ioredis|@aws-sdk)/.test(name)) throw Object.assign(new Error('none'), { code: 'ERR_MODULE_NOT_FOUND' });
    return next(name, context);
  };`;
  const hooks = pathToFileURL(temporaryFile('hook.mjs', hook)).href;
  const register = temporaryFile('register.mjs', `import { register } from 'node:module'; register('${hooks}');`);
  const without = (...args: string[]) => spawnSync(process.execPath, ['--import', register, BIN, ...args], { encoding: 'utf8' });
  const status = without('queue', 'status', '--queue', 'redis://127.0.0.1:1/0');
  assert.equal([status.status, status.stderr], [
    1, 'splice-gpu: --queue needs packages that are not installed: npm install bullmq ioredis\n',
  ]);
  assert.is(without('worker', '--help').status, 0);
});

test.run();
