/** What strangers may do to a queue: connections in the clear, and jobs that are meant to do harm but only waste time. */
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parseDescription, transferOf } from '../../cli/queue/job.js';
import { openQueue } from '../../cli/queue/jobs.js';
import { manageQueue } from '../../cli/queue/manage.js';
import { connectRedis } from '../../cli/queue/redis.js';
import { openStore, type Store } from '../../cli/queue/store.js';
import { version } from '../../cli/shared/version.js';
import { savedOptions } from '../../cli/transfer/options.js';
import { BIN } from '../faults/runs.js';
import { fakeParts } from '../helpers/fakeRun.js';
import { temporaryFolder } from '../helpers/pictures.js';
import { freePort, hasRedis, redisServer } from '../helpers/redisServer.js';
import { failure, newOut } from '../helpers/runs.js';
import { collected, inputs, pairsOf, placesFor, startWorker, workOptions } from './workers.js';

const withRedis = hasRedis ? test : test.skip;
const hasTls = hasRedis && spawnSync('openssl', ['version']).status === 0;

/** Output and exit code of `queue status`, while this process serves. */
async function status(url: string, env: NodeJS.ProcessEnv): Promise<{ code: number | null; text: string }> {
  const child = spawn(process.execPath, [BIN, 'queue', 'status', '--queue', url], { env: { ...process.env, ...env } });
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (part: string) => (text += part));
  return new Promise((resolve) => child.on('close', (code) => resolve({ code, text })));
}

(hasTls ? test : test.skip)('rediss:// encrypts, and takes no certificate that is not trusted', async () => {
  const [folder, port] = [temporaryFolder(), await freePort()];
  const [key, certificate] = [join(folder, 'key.pem'), join(folder, 'certificate.pem')];
  const made = spawnSync('openssl', [
    'req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-keyout', key, '-out', certificate,
    '-subj', '/CN=queue.test', '-addext', 'subjectAltName=IP:127.0.0.1',
  ]);
  assert.is(made.status, 0, String(made.stderr));
  const redis = await redisServer(
    '--tls-port', String(port), '--tls-cert-file', certificate, '--tls-key-file', key, '--tls-auth-clients', 'no',
    '--requirepass', 'secret');
  const url = `rediss://127.0.0.1:${port}/0`;
  const password = { SPLICE_GPU_QUEUE_PASSWORD: 'secret' };
  const stranger = await status(url, password);
  assert.is(stranger.code, 1);
  assert.match(stranger.text, /^splice-gpu: rediss:\S+ shows a certificate that is not trusted \(.*\): set NODE_EXTRA_CA_CERTS/);
  const known = await status(url, { ...password, NODE_EXTRA_CA_CERTS: certificate });
  assert.equal(known, { code: 0, text: 'jobs-0.1.0: no jobs; 0 workers\n' });
  assert.is((await status(url.replace('rediss:', 'redis:'), password)).code, 1); // in the clear there is nothing at this port
  await redis.kill();
});

test('settings that no transfer has are refused before anything is made', async () => {
  const files = await inputs();
  const [first] = pairsOf(files, newOut(), 1).pairs;
  const options = savedOptions(first!.options);
  const hash = '0'.repeat(64);
  const made = (change: object) => transferOf(parseDescription(Buffer.from(JSON.stringify({
    program: 'splice-gpu job 1', version: version(), structure: hash, appearance: hash, choose: [], tune: true,
    model: { sha256: hash, name: 'x', config: { heads: 2 } }, options: { ...options, ...change },
  }))), { structure: '/s', appearance: '/a', model: '/m', out: '/o' });
  assert.equal([made({}).structure, made({ structure: '/etc/passwd', out: '/etc' }).out], ['/s', '/o']);
  const changes = [{ vitSize: 1e9 }, { size: -1 }, { steps: '/etc/passwd' }, { steps: null }, { saveEvery: 0.5 }, { lr: [] }];
  for (const change of changes) {
    assert.throws(() => made(change), /^the job's settings are wrong \(options\./, JSON.stringify(change));
  }
});

/** Jobs by their names, and why each fails; one that is merely odd has no reason. `victim` is a file of the worker's machine. */
async function hostile(files: Awaited<ReturnType<typeof inputs>>, store: Store, victim: string) {
  const put = (path: string): Promise<string> => store.put(readFileSync(path));
  const options = savedOptions(pairsOf(files, newOut(), 1).pairs[0]!.options);
  const right = {
    program: 'splice-gpu job 1', version: version(),
    structure: await put(files.structure), appearance: await put(files.appearance),
    model: { sha256: await put(files.model), name: 'tiny', config: { heads: 2 } }, choose: [], tune: true, options,
  };
  const garbage = await store.put(Buffer.from('#!/bin/sh\necho harm\n'));
  const described = (change: object): Promise<string> => store.put(Buffer.from(JSON.stringify({ ...right, ...change })));
  const set = (change: object): Promise<string> => described({ options: { ...options, ...change } });
  const jobs: Readonly<Record<string, readonly [id: string, reason: RegExp | undefined]>> = {
    'an id that is a path': [victim.replaceAll('/', '\\'), /^a job must be named by the hash of its description$/],
    'nothing in the store': ['0'.repeat(64), /has no file 0{64}/],
    'no description': [garbage, /is not described as this program does it/],
    'a path in place of a photo': [await described({ structure: victim }), /is not described as this program does it/],
    'a path in place of weights': [
      await described({ model: { ...right.model, sha256: victim } }), /is not described as this program does it/],
    'weights that are none, with a path as their name': [
      await described({ model: { ...right.model, sha256: garbage, name: '../../../../tmp/x' } }), /not a safetensors file/],
    'an absurd size': [await set({ size: 1e9 }), /settings are wrong \(options\.size is 1000000000\)/],
    'an unknown setting': [await set({ out: victim, force: true }), undefined],
  };
  return { jobs, endless: await set({ steps: 1e15 }) };
}

withRedis('a hostile job wastes time, and nothing else', async () => {
  const [redis, files] = [await redisServer(), await inputs()];
  const places = placesFor(redis.url);
  const honest = pairsOf(files, newOut(), 1);
  await manageQueue({ command: 'pause', queue: redis.url, json: true }, fakeParts().parts);
  await collected(honest, places, true);
  const victim = join(temporaryFolder(), 'victim');
  writeFileSync(victim, 'of this machine');
  const connected = await connectRedis(redis.url);
  const queue = await openQueue(connected);
  const { jobs, endless: endlessId } = await hostile(files, await openStore(places.store), victim);
  for (const [name, [jobId]] of Object.entries(jobs)) await queue.add(name, { path: victim, code: 'process.exit()' }, { jobId });
  // What is noted of a job may be anything too.
  const [noted] = await queue.getJobs(['wait']);
  await noted!.updateProgress({ tries: -1e9, workers: { length: 1e9 }, state: '../../victim', log: victim, done: 'x' });
  const endless = await queue.add('\u001b[2Jendless', {}, { jobId: endlessId });
  await manageQueue({ command: 'resume', queue: redis.url, json: true }, fakeParts().parts);
  const worker = startWorker(workOptions(places));
  await worker.until(/endless: begins/);
  await manageQueue({ command: 'cancel', name: endless.id!, queue: redis.url, json: true }, fakeParts().parts);
  await worker.until(/endless: handed back: cancelled/);
  assert.not.match(worker.text(), /\u001b/);
  for (const [name, [id, reason]] of Object.entries(jobs)) {
    const job = await queue.getJob(id);
    assert.is(await job!.getState(), reason ? 'failed' : 'completed', name);
    if (reason) assert.match(String(job!.failedReason), reason, name);
  }
  assert.is((await collected(honest, places)).code, 0);
  assert.is(readFileSync(victim, 'utf8'), 'of this machine');
  assert.not.ok(existsSync('/tmp/x.safetensors'));
  worker.child.kill('SIGTERM');
  assert.is((await worker.ended).code, 130);
  await queue.close();
  connected.client.disconnect();
  await redis.kill();
});

withRedis('a result that is none, or that names files of this machine, is refused or speaks of the pair alone', async () => {
  const [redis, files] = [await redisServer(), await inputs()];
  const [out, places] = [newOut(), placesFor(redis.url)];
  const options = pairsOf(files, out, 1);
  await collected(options, places, true);
  const connected = await connectRedis(redis.url);
  const [job] = await (await openQueue(connected)).getJobs(['wait']);
  const client = redis.client();
  const key = `splice-gpu:jobs-${version()}`;
  await client.lrem(`${key}:wait`, 1, job!.id!);
  const result = JSON.stringify({ state: '../../x', workers: 7, device: {} });
  await client.hset(`${key}:${job!.id}`, 'finishedOn', '1', 'returnvalue', result);
  await client.zadd(`${key}:completed`, 1, job!.id!);
  const { code, summary } = await collected(options, places);
  assert.is(code, 1);
  assert.match(summary.results[0].error, /has no file \.\.\/\.\.\/x/);
  assert.match((await failure(connectRedis(redis.url.replace('redis:', 'http:')))).message, /is no address of Redis/);
  client.disconnect();
  connected.client.disconnect();
  await redis.kill();
});

test.run();
