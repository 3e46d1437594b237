/** Workers of a queue that are killed every few seconds, and a Redis that is: every pair must end as on one machine, once. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { withSettings } from '../../cli/commands/batch.js';
import { progressOf, TRIES, type Progress } from '../../cli/queue/jobs.js';
import { realParts } from '../../cli/run/parts.js';
import { batch, type BatchOptions } from '../../cli/transfer/batch/batch.js';
import { fakeParts } from '../helpers/fakeRun.js';
import { random } from '../helpers/random.js';
import { redisServer, type RedisServer } from '../helpers/redisServer.js';
import { collected, inputs, pairsOf, placesFor, startWorker, workOptions, type RunningWorker } from '../queue/workers.js';
import { difference, results, writeInputs } from './runs.js';

export interface QueueJob {
  readonly pairs: number;
  /** Trains on a device; otherwise without one, which is fast. */
  readonly real: boolean;
  readonly seed: number;
}

export interface QueueReport {
  /** Pairs that ended byte-equal to those of one machine. */
  readonly equal: number;
  readonly kills: number;
  /** Times that Redis was killed and started again. */
  readonly restarts: number;
  /** Tries of all jobs together. */
  readonly tries: number;
  /** Jobs whose end was reached more than once. */
  readonly twice: number;
  readonly seconds: number;
  readonly failures: readonly string[];
}

const WORKERS = 3;

/** The batch on this machine and by the queue, at two places. */
async function batches(folder: string, { pairs, real }: QueueJob) {
  const at = (name: string): string => join(folder, name);
  if (!real) {
    const files = await inputs();
    return { here: pairsOf(files, at('here'), pairs), there: pairsOf(files, at('there'), pairs) };
  }
  const [, ...args] = await writeInputs('transfer', folder);
  const photos = { structure: at('structure.png'), appearance: at('appearance.png') };
  const made = async (out: string): Promise<BatchOptions> => {
    const names = Array.from({ length: pairs }, (_, i) => `pair ${i + 1}`);
    const all = names.map((name, i) =>
      withSettings({ name, ...photos, settings: { seed: String(i + 1) }, where: name }, join(out, name), args.slice(4)));
    return { source: 'pairs.csv', pairs: await Promise.all(all), out, json: true };
  };
  return { here: await made(at('here')), there: await made(at('there')) };
}

/** @param say is called with a line for each event */
export async function queueFaults(job: QueueJob, say: (line: string) => void): Promise<QueueReport> {
  const folder = mkdtempSync(join(tmpdir(), 'splice-gpu-queue-'));
  // What is done is not to be forgotten for a second.
  const redis = await redisServer('--appendfsync', 'always');
  const workers: RunningWorker[] = [];
  try {
    const { here, there } = await batches(folder, job);
    const quiet = { write: () => undefined };
    const io = { stdout: quiet, stderr: quiet, interrupt: new AbortController().signal };
    await batch(here, job.real ? realParts(io) : fakeParts().parts);
    const began = performance.now();
    const places = placesFor(redis.url);
    const start = (): RunningWorker => {
      const behaviour: Record<string, number> = job.real ? { REAL: 1 } : { STEP_MS: 150 };
      const worker = startWorker(workOptions(places, { lease: 3, patience: 60 }), behaviour);
      workers.push(worker);
      return worker;
    };
    const living = Array.from({ length: WORKERS }, start);
    const ending = collected(there, places);
    let ended = false;
    void ending.finally(() => (ended = true)).catch(() => undefined);
    const { kills, restarts } = await killUntil(() => ended, living, start, redis, job, say);
    const { code, summary } = await ending;
    const seconds = (performance.now() - began) / 1000;
    const text = workers.map((worker) => worker.text()).join('');
    const counts = there.pairs.map(({ name }) => text.split(`${name}: done\n`).length - 1);
    const failures = there.pairs.flatMap(({ name }) => {
      const problem = difference(results(join(there.out, name)), results(join(here.out, name)));
      return problem ? [`${name}: ${problem}`] : [];
    });
    const equal = job.pairs - failures.length;
    if (code !== 0) failures.push(`batch ended with ${code}: ${JSON.stringify(summary)}`);
    if (restarts === 0) failures.push('all was done before Redis was killed');
    const twice = counts.filter((n) => n > 1).length;
    if (twice > 0) failures.push(`${twice} jobs were made twice to the end`);
    return { equal, kills, restarts, tries: text.split(': begins').length - 1, twice, seconds, failures };
  } finally {
    for (const { child } of workers) child.kill('SIGKILL');
    await redis.kill();
    rmSync(folder, { recursive: true, force: true });
  }
}

/** Kills a worker every few seconds, and once Redis. Returns how often. */
async function killUntil(
  isOver: () => boolean, living: RunningWorker[], start: () => RunningWorker, redis: RedisServer,
  { real, seed }: QueueJob, say: (line: string) => void,
): Promise<Pick<QueueReport, 'kills' | 'restarts'>> {
  const next = random(seed);
  const pause = real ? 10_000 : 6000; // long enough for a process to start and save on a busy machine
  let restarts = 0;
  for (let kills = 0; ; ) {
    const until = performance.now() + pause * (0.5 + next());
    while (performance.now() < until && !isOver()) await sleep(50);
    if (isOver()) return { kills, restarts };
    const spared = await onLastTry(redis);
    const which = [0, 1, 2].map((i) => (kills + i) % WORKERS).find((i) => !spared.has(living[i]!.child.pid!));
    if (which === undefined) continue;
    say(`killed worker ${which + 1} of ${living.length}`);
    living[which]!.child.kill('SIGKILL');
    living[which] = start();
    kills++;
    if (restarts > 0) continue;
    say('killed Redis');
    await redis.kill();
    await sleep(1000);
    await redis.start();
    restarts++;
  }
}

/** The processes whose job would be given up if they ended now: that rule is for jobs that kill their worker. */
async function onLastTry(redis: RedisServer): Promise<Set<number>> {
  const client = redis.client();
  const keys = (await client.keys('splice-gpu:jobs-*:*')).filter((key) => /:[0-9a-f]{64}$/.test(key));
  const notes = await Promise.all(keys.map((key) => client.hget(key, 'progress')));
  client.disconnect();
  const all = notes.map((text) => progressOf({ progress: JSON.parse(text || '{}') as Progress }));
  return new Set(all.filter(({ tries }) => tries >= TRIES).map(({ workers }) => Number(/-(\d+)-\w+$/.exec(workers.at(-1)!)![1])));
}
