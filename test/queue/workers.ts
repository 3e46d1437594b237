/** What tests of a queue share: pairs, workers in processes of their own, and the folder that `batch` makes without a queue. */
import { spawn, type ChildProcess } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { batch, type BatchOptions, type BatchPair } from '../../cli/transfer/batch/batch.js';
import { queueBatch } from '../../cli/queue/batch.js';
import type { WorkOptions } from '../../cli/queue/worker.js';
import { serializeSafetensors } from '../../model/files/safetensors.js';
import { fakeParts, shortRun } from '../helpers/fakeRun.js';
import { redBlue, temporaryFolder } from '../helpers/pictures.js';
import type { RedisServer } from '../helpers/redisServer.js';
import { tinyWeights } from '../helpers/tinyVit.js';

/** Photos and weights of a batch, in a new folder. */
export async function inputs() {
  const folder = temporaryFolder();
  const at = (name: string): string => join(folder, name);
  writeFileSync(at('structure.png'), await redBlue(60, 40).png().toBuffer());
  writeFileSync(at('appearance.png'), await redBlue(40, 80).png().toBuffer());
  writeFileSync(at('tiny.safetensors'), serializeSafetensors(tinyWeights()));
  return { structure: at('structure.png'), appearance: at('appearance.png'), model: at('tiny.safetensors') };
}

/** A batch of `count` pairs that differ in their seed. */
export function pairsOf(files: Awaited<ReturnType<typeof inputs>>, out: string, count: number): BatchOptions {
  const pairs = Array.from({ length: count }, (_, i): BatchPair => {
    const name = `pair ${i + 1}`;
    const settings = { seed: String(i + 1) };
    const options = shortRun({ ...files, out: join(out, name) }, { seed: i + 1 });
    return { name, ...files, settings, where: `line ${i + 2}`, options };
  });
  return { source: 'pairs.csv', pairs, out, json: true };
}

/** A queue's addresses, with a new store. */
export function placesFor(queue: string) {
  const folder = temporaryFolder();
  mkdirSync(join(folder, 'store'));
  return { queue, store: pathToFileURL(join(folder, 'store')).href, scratch: join(folder, 'scratch') };
}

/** A worker with a short lease. */
export const workOptions = (places: ReturnType<typeof placesFor>, change: Partial<WorkOptions> = {}): WorkOptions =>
  ({ ...places, lease: 2, uploadEvery: 0, patience: 20, untilEmpty: false, json: true, ...change });

export interface RunningWorker {
  readonly child: ChildProcess;
  readonly ended: Promise<{ readonly code: number | null; readonly signal: string | null }>;
  /** All that it has printed. */
  text(): string;
  /** Waits until it has printed something. */
  until(pattern: RegExp): Promise<void>;
}

const script = fileURLToPath(new URL('./fakeWorker.js', import.meta.url));
const running = new Set<ChildProcess>();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));

/** @param job how its jobs behave: see fakeJob.ts @param node further arguments of the process */
export function startWorker(
  options: WorkOptions, job: Readonly<Record<string, number>> = {}, env: NodeJS.ProcessEnv = {}, node: readonly string[] = [],
): RunningWorker {
  const behaviour = Object.fromEntries(Object.entries(job).map(([name, value]) => [`FAKE_JOB_${name}`, String(value)]));
  const all = { ...process.env, ...behaviour, ...env };
  const child = spawn(process.execPath, [...node, script, JSON.stringify(options)], { env: all });
  running.add(child);
  let text = '';
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding('utf8').on('data', (part: string) => (text += part));
  const ended = new Promise<{ code: number | null; signal: string | null }>((resolve) => child.on('close', (code, signal) => {
    running.delete(child);
    resolve({ code, signal });
  }));
  const until = async (pattern: RegExp): Promise<void> => {
    for (const began = performance.now(); !pattern.test(text); await sleep(10)) {
      if (performance.now() - began > 60_000) throw new Error(`the worker never printed ${pattern}, but: ${text}`);
    }
  };
  return { child, ended, text: () => text, until };
}

/** Fetches the results of a batch; returns its exit code and summary. */
export async function collected(options: BatchOptions, places: ReturnType<typeof placesFor>, detach = false) {
  const { parts, heard } = fakeParts();
  const code = await queueBatch({ ...options, queue: places.queue, store: places.store, detach }, parts);
  return { code, summary: JSON.parse(heard.stdout), stderr: heard.stderr };
}

/** The folder that `batch` makes on one machine. */
export async function madeHere(files: Awaited<ReturnType<typeof inputs>>, count: number): Promise<string> {
  const out = join(temporaryFolder(), 'here');
  await batch(pairsOf(files, out, count), fakeParts().parts);
  return out;
}

/** Waits until a save of a job is noted in Redis. */
export async function firstSave(redis: RedisServer): Promise<void> {
  const client = redis.client();
  for (const began = performance.now(); ; await sleep(20)) {
    const keys = (await client.keys('splice-gpu:jobs-*:*')).filter((key) => /:[0-9a-f]{64}$/.test(key));
    const states = await Promise.all(keys.map((key) => client.hget(key, 'progress')));
    if (states.some((text) => text?.includes('"state"'))) break;
    if (performance.now() - began > 120_000) throw new Error('nothing was saved');
  }
  client.disconnect();
}
