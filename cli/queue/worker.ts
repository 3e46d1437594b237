/** The work of `splice-gpu worker`: takes jobs out of a queue, one after the other, until it is told to end. */
import type { Worker } from 'bullmq';
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, rm } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { Parts } from '../run/parts.js';
import { cacheFolder } from '../shared/cache.js';
import { EXIT_INTERRUPTED } from '../shared/errors.js';
import { prepareFolder } from '../shared/files.js';
import { isAbandoned, lockFolder } from '../shared/lock.js';
import { writeLine } from '../shared/progress.js';
import { version } from '../shared/version.js';
import { attempt, type Outcome } from './attempt.js';
import {
  CANCELLED, forgetWorker, openQueue, PREFIX, progressOf, queueName, tellWorker, TRIES, versionNote, workersOf, type JobQueue,
  type Progress, type QueueJob, type Result,
} from './jobs.js';
import { loadBull, type Bull } from './optional.js';
import { connectRedis, type Connected } from './redis.js';
import { isHash } from './place.js';
import { openStore, type Store } from './store.js';

export interface WorkOptions {
  readonly queue: string;
  readonly store: string;
  /** Folder for the files of jobs in progress; one in the cache folder when absent. */
  readonly scratch?: string;
  /** Seconds after which a job whose worker is silent is given to another. */
  readonly lease: number;
  /** Seconds between uploads of a run in progress, at least. */
  readonly uploadEvery: number;
  /** Seconds for which Redis or the store may be away. */
  readonly patience: number;
  /** Ends when no job waits or is trained. */
  readonly untilEmpty: boolean;
  readonly json: boolean;
}

const script = fileURLToPath(new URL('../job.js', import.meta.url));
const MOST_TICK_MS = 5000;
/** A connection that is closed may take so long; the process ends anyway. */
const CLOSING_MS = 3000;

/** The job that is trained, and how it is stopped. */
interface Current {
  readonly job: QueueJob;
  readonly stop: AbortController;
  done?: number;
  total?: number;
  device?: string;
}

type BullWorker = Worker<object, Result, string>;

/** Everything that a worker holds while it lives. */
interface Shift {
  readonly options: WorkOptions;
  readonly parts: Parts;
  readonly program: string;
  readonly redis: Connected;
  readonly store: Store;
  readonly folder: string;
  readonly me: string;
  readonly bull: Bull;
  readonly queue: JobQueue;
  /** Ends the worker, when the job that it trains is saved. */
  readonly end: (code: number, line?: string) => void;
  worker: BullWorker | undefined;
  current: Current | undefined;
  done: number;
  failed: number;
}

/**
 * Returns the exit code: 0 when the queue is empty and that was asked for, 130 when interrupted, 1 when this machine, Redis or
 * the store cannot serve any longer. @param program trains a job; another one for tests
 */
export async function work(options: WorkOptions, parts: Parts, program = script): Promise<number> {
  const redis = await connectRedis(options.queue);
  try {
    const store = await openStore(options.store);
    const me = `${hostname()}-${process.pid}-${randomBytes(2).toString('hex')}`;
    const scratch = options.scratch ?? join(cacheFolder(), 'queue');
    await prepareFolder(scratch);
    await removeLeft(scratch);
    const folder = join(scratch, me);
    await mkdir(folder);
    const unlock = await lockFolder(folder);
    try {
      return await serve({ options, parts, program, redis, store, folder, me });
    } finally {
      await unlock();
      await rm(folder, { recursive: true, force: true });
    }
  } finally {
    redis.client.disconnect();
  }
}

/** Removes the folders of workers that were killed. */
async function removeLeft(scratch: string): Promise<void> {
  for (const name of await readdir(scratch)) {
    const path = join(scratch, name);
    const isOurs = /-\d+-[0-9a-f]{4}$/.test(name);
    if (isOurs && (await isAbandoned(path))) await rm(path, { recursive: true, force: true });
  }
}

type Start = Pick<Shift, 'options' | 'parts' | 'program' | 'redis' | 'store' | 'folder' | 'me'>;

async function serve(start: Start): Promise<number> {
  const { options, parts, redis, store, me } = start;
  const say = (text: string): void => writeLine(parts.stderr, text);
  const [bull, queue] = [await loadBull(), await openQueue(redis)];
  let ended: (code: number) => void;
  const ending = new Promise<number>((resolve) => (ended = resolve));
  const end = (code: number, line?: string): void => {
    if (line !== undefined) say(`splice-gpu: ${line}`);
    ended(code);
  };
  const shift: Shift = { ...start, bull, queue, end, worker: undefined, current: undefined, done: 0, failed: 0 };
  const note = versionNote(await workersOf(redis));
  for (const line of [...redis.notes, ...(note ? [note] : [])]) say(line);
  say(`${me} takes jobs from ${redis.name}, files from ${store.name}`);
  const worker = await openWorker(shift);
  shift.worker = worker;
  const timer = setInterval(() => void tick(shift).catch(() => undefined), Math.min(MOST_TICK_MS, 250 * options.lease));
  const onInterrupt = (): void => stopFor(shift, 'interrupted', EXIT_INTERRUPTED);
  parts.interrupt.addEventListener('abort', onInterrupt, { once: true });
  if (parts.interrupt.aborted) onInterrupt();
  const code = await ending;
  clearInterval(timer);
  parts.interrupt.removeEventListener('abort', onInterrupt);
  const closing = Promise.all([worker.close(redis.lost() > 0), queue.close(), forgetWorker(redis, me)]);
  await Promise.race([closing.catch(() => undefined), sleep(CLOSING_MS, undefined, { ref: false })]);
  const { done, failed } = shift;
  const sentence = `${me}: ${done} jobs done, ${failed} failed`;
  parts.stdout.write(`${options.json ? JSON.stringify({ worker: me, done, failed }) : sentence}\n`);
  return code;
}

async function openWorker(shift: Shift): Promise<BullWorker> {
  const { bull, redis, options: { lease }, me } = shift;
  const worker = new bull.Worker<object, Result, string>(queueName(), (job, token) => serveJob(shift, job as QueueJob, token!), {
    connection: redis.client, prefix: PREFIX, name: me, concurrency: 1, drainDelay: 2,
    lockDuration: 1000 * lease, stalledInterval: 500 * lease, maxStalledCount: 1000, // TRIES are counted apart
    runRetryDelay: 1000,
  });
  worker.on('error', () => undefined); // the connection tells for how long
  worker.on('lockRenewalFailed', (ids) => {
    const { current } = shift;
    if (current && ids.includes(current.job.id!)) current.stop.abort(stopped({ why: 'taken by another worker' }));
  });
  await worker.waitUntilReady();
  return worker;
}

/** Why a job is stopped, and how the worker ends then; it goes on when that is absent. */
interface Stop {
  /** `interrupted`, `cancelled`, `taken by another worker`, `Redis is lost`, or what is wrong with this machine. */
  readonly why: string;
  readonly end?: { readonly code: number; readonly line?: string };
}

const stopped = (stop: Stop): Error => Object.assign(new Error(stop.why), stop);

/** Stops what is trained, and then the worker. */
function stopFor(shift: Shift, why: Stop['why'], code: number, line?: string): void {
  const end = { code, ...(line !== undefined && { line }) };
  if (shift.current) shift.current.stop.abort(stopped({ why, end }));
  else shift.end(code, line);
}

/** One try of a job, and what the queue is told of it. @throws what moves the job to where it belongs */
async function serveJob(shift: Shift, job: QueueJob, token: string): Promise<Result> {
  const { bull, options, parts, me, store, folder, program } = shift;
  const before = progressOf(job);
  if (!isHash(job.id)) throw new bull.UnrecoverableError('a job must be named by the hash of its description');
  if (before.tries >= TRIES) {
    throw new bull.UnrecoverableError(`given up: ${TRIES} times its worker ended before the job had saved anything new`);
  }
  const stop = new AbortController();
  const current: Current = { job, stop };
  shift.current = current;
  if (parts.interrupt.aborted) stopFor(shift, 'interrupted', EXIT_INTERRUPTED);
  try {
    const workers = [...before.workers.filter((each) => each !== me), me];
    const begun: Progress = { ...before, tries: before.tries + 1, workers };
    await job.updateProgress(begun);
    writeLine(parts.stderr, `${job.name}: begins${before.done ? ` after ${before.done} of ${before.total} steps` : ''}`);
    const outcome = await attempt({
      id: job.id, store, folder, me, before: begun, stop: stop.signal, program,
      uploadEveryMs: 1000 * options.uploadEvery, patienceMs: 1000 * options.patience,
      stderr: parts.stderr,
      note: (progress) => {
        if (progress.device !== undefined) current.device = progress.device;
        return job.updateProgress(progress).catch(() => undefined);
      },
      onStep: (done, total) => Object.assign(current, { done, total }),
    });
    return await conclude(shift, job, token, outcome, stop);
  } finally {
    shift.current = undefined;
    const { end = parts.interrupt.aborted && { code: EXIT_INTERRUPTED } } = (stop.signal.reason ?? {}) as Partial<Stop>;
    if (end) {
      await shift.worker?.pause(true); // or it takes the next job
      setImmediate(() => shift.end(end.code, 'line' in end ? end.line : undefined)); // not before the queue has its answer
    }
  }
}

async function conclude(shift: Shift, job: QueueJob, token: string, outcome: Outcome, stop: AbortController): Promise<Result> {
  const { bull, parts, redis } = shift;
  const say = (text: string): void => writeLine(parts.stderr, `${job.name}: ${text}`);
  if ('result' in outcome) {
    say('done');
    shift.done++;
    return outcome.result;
  }
  if ('failed' in outcome) {
    say(`failed: ${outcome.failed}`);
    shift.failed++;
    throw new (outcome.final ? bull.UnrecoverableError : Error)(outcome.failed);
  }
  // This machine is to take nothing more. A stop that was asked for before stays what it is.
  const end = { code: 1, line: `${outcome.back}; the job is handed back` };
  if (outcome.blame === 'machine') stop.abort(stopped({ why: outcome.back, end }));
  const { why } = stop.signal.reason as Stop;
  say(`handed back: ${why}`);
  if (why === 'cancelled') throw new bull.UnrecoverableError('cancelled');
  if (redis.lost() === 0 && why !== 'taken by another worker') {
    await job.updateProgress({ ...progressOf(job), tries: 0 });
    await job.moveToWait(token);
  }
  throw new bull.WaitingError();
}

/** News for Redis, and news from it. */
async function tick(shift: Shift): Promise<void> {
  const { redis, me, current, options, queue } = shift;
  const seconds = redis.lost() / 1000;
  if (seconds > options.patience) {
    const line = `${redis.name} has not answered for ${seconds.toFixed(0)} s: start the worker again when it does`;
    stopFor(shift, 'Redis is lost', 1, line);
  }
  if (seconds > 0) return;
  const { job, done, total, device } = current ?? {};
  const steps = { ...(device && { device }), ...(done !== undefined && { done }), ...(total !== undefined && { total }) };
  await tellWorker(redis, { name: me, version: version(), ...(job && { job: job.name, ...steps }) });
  if (current && (await redis.client.sismember(CANCELLED, current.job.id!))) current.stop.abort(stopped({ why: 'cancelled' }));
  if (!options.untilEmpty || shift.current) return;
  const left = await queue.getJobCounts('wait', 'active', 'delayed', 'prioritized');
  if (Object.values(left).every((count) => count === 0)) shift.end(0);
}
