/** One try of a job on a worker: its files are fetched, a process trains, and every save goes into the store. */
import { spawn, type ChildProcess } from 'node:child_process';
import { copyFile, mkdir, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { errorLine, EXIT_INTERRUPTED, InputError } from '../shared/errors.js';
import { exists, parseJson, writeFileAtomic } from '../shared/files.js';
import { writeLine, type Output } from '../shared/progress.js';
import { blameFor, type Blame } from './blame.js';
import { pack, readList, SCORES, sweeper, unpack } from './bundle.js';
import { JOB_FILE, type ChildLine } from './child.js';
import { parseDescription, placesIn, type Description, type Places } from './job.js';
import type { Progress, Result } from './jobs.js';
import { relocate } from './relocate.js';
import { StoreError, type Hash } from './place.js';
import type { Store } from './store.js';

/** How a try ended. */
export type Outcome =
  | { readonly result: Result }
  /** It is `stop`'s reason, or the machine's fault: the job is for another worker. */
  | { readonly back: string; readonly blame?: 'machine' }
  | { readonly failed: string; readonly final: boolean };

export interface Attempt {
  readonly id: Hash;
  readonly store: Store;
  /** The worker's own folder. */
  readonly folder: string;
  /** Name of the worker. */
  readonly me: string;
  /** What earlier tries have noted. */
  readonly before: Progress;
  /** Aborted with a reason in words: the process saves and ends. */
  readonly stop: AbortSignal;
  /** Saves that come sooner after an upload stay on this machine. */
  readonly uploadEveryMs: number;
  /** How long a store is waited for that takes no result. */
  readonly patienceMs: number;
  /** The program of the process. */
  readonly program: string;
  readonly stderr: Output;
  /** Notes something in Redis. Nothing waits for it: a job goes on while Redis is away. */
  note(progress: Progress): Promise<unknown>;
  /** Hears of every step that is told. */
  onStep(done: number, total: number): void;
}

const MOST_LOG = 64_000;
const PAUSE_MS = 2000;

export async function attempt(job: Attempt): Promise<Outcome> {
  const folder = join(job.folder, job.id);
  try {
    const log = await openLog(job);
    const places = await fetchJob(job, folder, log.write);
    return await trainAndSend(job, folder, places, log);
  } catch (error) {
    const [line, blame] = [errorLine(error) ?? String(error), blameFor(error)];
    return blame === 'machine' ? { back: line, blame } : { failed: line, final: blame === 'job' };
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

type Log = Awaited<ReturnType<typeof openLog>>;

/** What the processes of all tries wrote, the end of it. */
async function openLog({ store, me, before, id }: Attempt) {
  const earlier = before.log === undefined ? undefined : await store.get(before.log).catch(() => undefined);
  let text = earlier?.toString('utf8') ?? '';
  const write = (line: string): void => void (text = `${text}${line}`.slice(-MOST_LOG));
  write(`${new Date().toISOString()} ${id.slice(0, 12)} taken by ${me}, try ${before.tries}\n`);
  /** A log that the store does not take is not worth a job. */
  const put = async (): Promise<Pick<Progress, 'log'>> => {
    const log = await store.put(Buffer.from(text)).catch(() => undefined);
    return log === undefined ? {} : { log };
  };
  return { write, line: (line: string) => write(`${line}\n`), put };
}

/** Writes the job, its inputs and the newest state into `folder`. */
async function fetchJob(job: Attempt, folder: string, write: (text: string) => void): Promise<Places> {
  const { id, store, before } = job;
  const bytes = await store.get(id);
  const description = parseDescription(bytes);
  const places = placesIn(folder, description);
  await rm(folder, { recursive: true, force: true });
  await mkdir(folder, { recursive: true });
  await writeFileAtomic(join(folder, JOB_FILE), bytes);
  await writeFileAtomic(places.structure, await store.get(description.structure));
  await writeFileAtomic(places.appearance, await store.get(description.appearance));
  await fetchWeights(job, description.model.sha256, places.model);
  if (description.judge) await fetchWeights(job, description.judge.sha256, places.judge!);
  if (before.state !== undefined) {
    await fetchState(before.state, store, description, places).catch(async (error: Error) => {
      if (error instanceof StoreError) throw error;
      write(`the state of the try before cannot be used (${error.message}): starting from the beginning\n`);
      await rm(places.out, { recursive: true, force: true });
    });
  }
  return places;
}

/** Weights are large, and the same for most jobs: the worker keeps them. */
async function fetchWeights({ store, folder }: Attempt, hash: Hash, path: string): Promise<void> {
  const kept = join(folder, 'weights', hash);
  if (!(await exists(kept))) {
    await mkdir(dirname(kept), { recursive: true });
    await writeFileAtomic(kept, await store.get(hash));
  }
  await mkdir(dirname(path), { recursive: true });
  await copyFile(kept, path);
}

async function fetchState(list: Hash, store: Store, { judge }: Description, places: Places): Promise<void> {
  const files = await readList(list, store);
  // A judge that no job names is one of the machine's own, and the next one may have another.
  if (files[SCORES] !== undefined && !judge) throw new InputError('seeds are compared by the ViT of another machine');
  await unpack(files, places.out, store);
  await relocate(places.out, places);
}

async function trainAndSend(job: Attempt, folder: string, places: Places, log: Log): Promise<Outcome> {
  const { store, me, before, note, onStep, stop } = job;
  let progress: Progress = { ...before, ...(await log.put()) };
  void note(progress);
  const sweep = sweeper(store);
  const send = async (): Promise<Hash> => {
    const { list, files } = await pack(places.out, store);
    progress = { ...progress, tries: 0, state: list, ...(await log.put()) };
    void note(progress).then(() => sweep(files));
    return list;
  };
  const sending = oneAtATime(async () => void (await send().catch((error: Error) => log.line(error.message))));
  let sentAt = -Infinity;
  const take = (line: ChildLine): void => {
    if ('device' in line) progress = { ...progress, device: line.device };
    if ('saved' in line && performance.now() - sentAt >= job.uploadEveryMs) {
      sentAt = performance.now();
      sending.ask();
    }
    if (!('done' in line)) return;
    progress = { ...progress, done: line.done, total: line.total };
    onStep(line.done, line.total);
  };
  const ended = await runChild(job, folder, log.write, take);
  await sending.idle();
  const { workers, device } = progress;
  if (ended.code === 0) {
    const state = await insist(job, send);
    return { result: { state, workers, ...(device !== undefined && { device }) } };
  }
  const hasRun = await exists(join(places.out, 'config.json'));
  // A process that has only just started does not hear the signal yet, and ends by it.
  if (ended.code === EXIT_INTERRUPTED || (stop.aborted && ended.signal === 'SIGTERM')) {
    if (hasRun) await send().catch((error: Error) => log.line(error.message));
    return { back: 'interrupted' };
  }
  const line = ended.failed ?? `the process on ${me} ended with ${ended.signal ?? `exit code ${ended.code}`}`;
  log.line(line);
  void note({ ...progress, ...(await log.put()) });
  if (ended.blame === 'machine') return { back: line, blame: 'machine' };
  return { failed: line, final: ended.blame === 'job' };
}

interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly failed?: string;
  readonly blame?: Blame;
}

/** Trains in a process. When the worker is killed, the pipe to it closes, and it ends too. */
async function runChild(
  { program, stop, stderr }: Attempt, folder: string, write: (text: string) => void, take: (line: ChildLine) => void,
): Promise<Ended> {
  const child: ChildProcess = spawn(process.execPath, [program, folder], { stdio: ['pipe', 'pipe', 'pipe'] });
  const ended = new Promise<Ended>((resolve, reject) =>
    child.on('error', reject).on('close', (code, signal) => resolve({ code, signal })));
  child.stdin!.on('error', () => undefined);
  child.stderr!.setEncoding('utf8').on('data', write);
  const onStop = (): void => void child.kill('SIGTERM');
  stop.addEventListener('abort', onStop, { once: true });
  if (stop.aborted) onStop();
  let failure: Pick<Ended, 'failed' | 'blame'> = {};
  for await (const text of createInterface({ input: child.stdout! })) {
    const line = parseJson(text) as ChildLine | undefined;
    if (line && 'failed' in line) failure = line;
    else if (line) take(line);
    else writeLine(stderr, text);
  }
  stop.removeEventListener('abort', onStop);
  return { ...(await ended), ...failure };
}

/** Work that is asked for while it goes on is done once more afterwards. */
function oneAtATime(work: () => Promise<void>) {
  let [running, again]: [Promise<void> | undefined, boolean] = [undefined, false];
  const run = async (): Promise<void> => {
    do {
      again = false;
      await work();
    } while (again);
    running = undefined;
  };
  return {
    ask: (): void => {
      if (running) again = true;
      else running = run();
    },
    idle: async (): Promise<void> => running,
  };
}

/** Tries again while the store takes nothing, as a result is worth waiting for. @throws StoreError after the patience */
async function insist<T>({ patienceMs, stop, stderr }: Attempt, work: () => Promise<T>): Promise<T> {
  for (const began = performance.now(); ; ) {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof StoreError) || stop.aborted || performance.now() - began > patienceMs) throw error;
      writeLine(stderr, `${error.message}; the result waits for it`);
      await sleep(PAUSE_MS);
    }
  }
}
