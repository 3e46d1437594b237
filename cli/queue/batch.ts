/** `splice-gpu batch --queue`: the pairs as jobs of a queue, and their results as they come. */
import { mkdir, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { parseConfig, readConfigOf } from '../run/config.js';
import type { Parts } from '../run/parts.js';
import { errorLine, InputError } from '../shared/errors.js';
import { exists, readJson, writeFileAtomic } from '../shared/files.js';
import { writeLine } from '../shared/progress.js';
import { batchBy, otherRun, type BatchOptions, type BatchPair } from '../transfer/batch/batch.js';
import { readOutcome } from '../transfer/batch/outcome.js';
import type { PairResult } from '../transfer/batch/page.js';
import { differenceOf, parseOptions } from '../transfer/options.js';
import { readList, unpack } from './bundle.js';
import { jobMaker } from './job.js';
import {
  CANCELLED, namesIn, openQueue, progressOf, versionNote, workersOf, type JobQueue, type QueueJob, type Result,
} from './jobs.js';
import { connectRedis, type Connected } from './redis.js';
import { relocate } from './relocate.js';
import { StoreError, type Hash } from './place.js';
import { openStore, type Store } from './store.js';

export interface QueueBatchOptions extends BatchOptions {
  readonly queue: string;
  readonly store: string;
  /** Enqueues and leaves; the same command without it fetches the results. */
  readonly detach: boolean;
}

const TICK_MS = 1000;
/** Lines about how far all are. */
const NEWS_MS = 15_000;
/** Jobs that are asked for at once. */
const AT_ONCE = 500;

interface Watch {
  readonly options: QueueBatchOptions;
  readonly parts: Parts;
  readonly redis: Connected;
  readonly queue: JobQueue;
  readonly store: Store;
  readonly results: PairResult[];
}

/** Returns the exit code as `batch`; 0 as soon as all is enqueued if that is wanted. */
export async function queueBatch(options: QueueBatchOptions, parts: Parts): Promise<number> {
  const redis = await connectRedis(options.queue);
  try {
    const store = await openStore(options.store);
    const queue = await openQueue(redis);
    const note = versionNote(await workersOf(redis));
    for (const line of [...redis.notes, ...(note ? [note] : [])]) writeLine(parts.stderr, line);
    let isEnqueued = false;
    const code = await batchBy(options, parts, async (results, show) => {
      const watch = { options, parts, redis, queue, store, results };
      const jobs = await enqueueAll(watch);
      isEnqueued = !parts.interrupt.aborted;
      await show();
      return options.detach ? { enqueued: jobs.size } : collect(watch, jobs, show);
    });
    return options.detach && isEnqueued && code !== 1 ? 0 : code;
  } finally {
    redis.client.disconnect();
  }
}

/** The pairs of each job: two pairs may be the same transfer. */
type Jobs = Map<Hash, number[]>;

/** Puts what is not done yet into the queue. Enqueueing twice is enqueueing once: a job is named by its content. */
async function enqueueAll({ options, parts, redis, queue, store, results }: Watch): Promise<Jobs> {
  const jobs: Jobs = new Map();
  const make = jobMaker(store, parts);
  for (const [i, pair] of options.pairs.entries()) {
    if (parts.interrupt.aborted) break;
    try {
      const id = await make(pair.options);
      if (await isDone(pair, id)) {
        results[i] = await outcomeOf(pair);
        continue;
      }
      await redis.client.srem(CANCELLED, id);
      await queue.add(pair.name, {}, { jobId: id });
      jobs.set(id, [...(jobs.get(id) ?? []), i]);
    } catch (error) {
      if (error instanceof StoreError) throw error;
      results[i] = failedPair(pair, errorLine(error) ?? String(error), parts);
    }
  }
  const done = results.filter(({ status }) => status === 'done').length;
  writeLine(parts.stderr, `${jobs.size} jobs in the queue; ${done} pairs done already`);
  return jobs;
}

function failedPair({ name, settings, where }: BatchPair, error: string, parts: Parts): PairResult {
  writeLine(parts.stderr, `${where}: ${error}`);
  return { name, settings, status: 'failed', error };
}

/** Whether a pair's folder has the result, made by a queue or by this machine. @throws InputError when it has another run */
async function isDone(pair: BatchPair, id: Hash): Promise<boolean> {
  const { options } = pair;
  if (!(await exists(join(options.out, 'config.json')))) return false;
  const config = await readConfigOf('transfer', options.out);
  const isFinished = config['status'] === 'finished';
  if ((config['madeBy'] as { job?: unknown } | undefined)?.job === id) return isFinished;
  const saved = parseConfig(options.out, () => parseOptions(config, { folder: options.out, json: false }));
  const isOther = differenceOf(saved, options) ?? (saved.splice.steps === options.splice.steps ? undefined : 'number of steps');
  if (isOther && !options.choose?.includes('steps')) throw otherRun(pair, isOther);
  return isFinished;
}

async function outcomeOf(pair: BatchPair): Promise<PairResult> {
  const { name, settings, options } = pair;
  const { madeBy } = (await readJson(join(options.out, 'config.json'))) ?? {};
  const { workers, device } = (madeBy ?? {}) as Partial<Result>;
  const by = workers && `${workers.join(', then ')}${device ? ` (${device})` : ''}`;
  return { name, settings, ...(by && { madeBy: by }), ...(await readOutcome(options.out, name)), status: 'done' };
}

/** Fetches results until every job has ended, or the user has seen enough. Returns figures for the summary. */
async function collect(watch: Watch, jobs: Jobs, show: () => Promise<void>): Promise<object> {
  const { parts, redis } = watch;
  const began = performance.now();
  const waiting = new Map(jobs);
  let told = -Infinity, seconds = 0;
  const makers = new Set<string>();
  while (waiting.size > 0 && !parts.interrupt.aborted) {
    for (const [id, job] of await askAll(watch, [...waiting.keys()])) {
      const ended = await endOf(watch, id, job, waiting.get(id)!);
      if (!ended) continue;
      waiting.delete(id);
      for (const worker of ended.workers) makers.add(worker);
      seconds += ended.seconds;
      await show();
    }
    if (performance.now() - told > NEWS_MS) {
      told = performance.now();
      writeLine(parts.stderr, await newsOf(watch, jobs.size - waiting.size, jobs.size));
    }
    if (waiting.size > 0) await sleep(TICK_MS, undefined, { signal: parts.interrupt }).catch(() => undefined);
  }
  if (waiting.size > 0) {
    writeLine(parts.stderr, `${waiting.size} jobs go on without this command: call it again for their results`);
  }
  const wall = (performance.now() - began) / 1000;
  if (redis.lost() === 0 && makers.size > 0) {
    writeLine(parts.stderr, `${makers.size} workers trained ${seconds.toFixed(0)} s in ${wall.toFixed(0)} s`);
  }
  return { workers: [...makers].sort(), trainingSeconds: seconds, wallSeconds: Number(wall.toFixed(1)) };
}

/** The jobs of these names, undefined for one that the queue does not have. */
async function askAll({ queue }: Watch, ids: readonly Hash[]): Promise<Map<Hash, QueueJob | undefined>> {
  const all = new Map<Hash, QueueJob | undefined>();
  for (let i = 0; i < ids.length; i += AT_ONCE) {
    const some = ids.slice(i, i + AT_ONCE);
    const jobs = await Promise.all(some.map((id) => queue.getJob(id)));
    some.forEach((id, at) => all.set(id, jobs[at] as QueueJob | undefined));
  }
  return all;
}

interface End {
  readonly workers: readonly string[];
  readonly seconds: number;
}

/** Undefined while the job has not ended. */
async function endOf(watch: Watch, id: Hash, job: QueueJob | undefined, indices: readonly number[]): Promise<End | undefined> {
  const { options: { pairs }, parts, results } = watch;
  const nothing: End = { workers: [], seconds: 0 };
  const fail = (error: string): End => {
    for (const i of indices) results[i] = failedPair(pairs[i]!, error, parts);
    return nothing;
  };
  if (!job) return fail('the job was taken out of the queue: call the command again to enqueue it');
  // A job that failed and is tried again has a reason, but no end.
  if (job.finishedOn === undefined) return undefined;
  if (!job.returnvalue) {
    if (!(await job.isFailed())) return undefined;
    for (const i of indices) await fetchLog(watch, job, pairs[i]!);
    return fail(`${job.failedReason}; "splice-gpu queue retry" tries it again`);
  }
  try {
    for (const i of indices) {
      await fetchResult(watch, id, job.returnvalue, pairs[i]!);
      results[i] = await outcomeOf(pairs[i]!);
      writeLine(parts.stderr, `${pairs[i]!.name}: done by ${results[i]!.madeBy ?? ''}`);
    }
    return { workers: namesIn(job.returnvalue.workers), seconds: results[indices[0]!]!.seconds ?? 0 };
  } catch (error) {
    if (error instanceof StoreError || !(error instanceof InputError)) throw error;
    return fail(error.message);
  }
}

/** A pair's folder appears when all of it has arrived. */
async function fetchResult({ store }: Watch, id: Hash, { state, workers, device }: Result, pair: BatchPair): Promise<void> {
  const { out, structure, appearance, model, seeds } = pair.options;
  const temporary = join(dirname(out), `.${basename(out)}.${process.pid}.tmp`);
  await rm(temporary, { recursive: true, force: true });
  await mkdir(temporary, { recursive: true });
  await unpack(await readList(state, store), temporary, store);
  const judge = seeds?.judge;
  const made = { madeBy: { job: id, workers: namesIn(workers), ...(device !== undefined && { device }) } };
  await relocate(temporary, { structure, appearance, model, ...(judge !== undefined && { judge }) }, made);
  await rm(out, { recursive: true, force: true });
  await rename(temporary, out);
}

async function fetchLog({ store }: Watch, job: QueueJob, { options: { out } }: BatchPair): Promise<void> {
  const { log } = progressOf(job);
  const text = log && (await store.get(log).catch(() => undefined));
  if (!text) return;
  await mkdir(out, { recursive: true });
  await writeFileAtomic(join(out, 'worker.log'), text);
}

async function newsOf({ queue, redis }: Watch, done: number, total: number): Promise<string> {
  const counts = await queue.getJobCounts('wait', 'active');
  const workers = (await workersOf(redis)).length;
  const remedy = workers === 0 ? ': start one with "splice-gpu worker"' : '';
  return `${done} of ${total} jobs have ended, ${counts['active'] ?? 0} are trained; ${workers} workers${remedy}`;
}
