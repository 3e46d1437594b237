/** The worker of the page: everything that takes long happens here, in the order in which the page asks. */
import { stepsIn, type Image } from '../../../model/index.js';
import type { Brushed } from '../../watch/page/labels.js';
import { fullPhoto, withDetail, type Detailed } from './detail.js';
import { openDevice } from './device.js';
import type { Command, Job, ModelChoice, News, Order, Work } from './messages.js';
import { fit } from './fit.js';
import { openSaved } from './opened.js';
import { readPixels, toPng, toShown } from './pictures.js';
import { measure, prepare, type Prepared } from './plan.js';
import { change, withRegions } from './regions.js';
import { pack, type Kept } from './runs.js';
import { keepRun, keptRun, type KeptRun } from './storage.js';
import { pictureOf, train, type Steering } from './training.js';

const tell = (news: News, transfer: Transferable[] = []): void => postMessage(news, { transfer });

/** The message of an error, and its remedy where it has none of its own. */
function inWords(error: unknown): string {
  const { name, message, code, remedy } = error as Error & { readonly code?: string; readonly remedy?: string };
  const line = message.split('\n', 1)[0]!;
  if (code === 'OUT_OF_MEMORY') return `${line}: choose a smaller size`;
  if (code === 'DEVICE_LOST') return `${line}: reload the page, and choose a smaller size if it happens again`;
  if (remedy) return `${line}; ${remedy}`;
  if (name === 'NonFiniteError') return `${line}: try another seed`;
  return line;
}

/** The run that is open, and its newest moment. */
let current: { readonly prepared: Prepared; readonly kept?: Kept } | undefined;
let stopping = new AbortController();
let paused: { readonly over: Promise<void>; readonly end: () => void } | undefined;
let isTraining = false;
/** The run waits in a pause: its newest moment is kept. */
let isWaiting = false;
let isWanted = false;
/** The newest regions of the page. */
let brushed: Brushed | undefined;
/** The run stops only to begin again with regions. */
let isRestarting = false;

function steering(): Steering {
  const { signal } = stopping;
  return {
    signal, tell,
    isPaused: () => paused !== undefined,
    isWanted: () => isWanted,
    gate: async () => {
      if (!paused) return;
      isWaiting = true;
      tell({ type: 'status', status: 'paused' });
      await paused.over;
      isWaiting = false;
      tell({ type: 'status', status: signal.aborted ? 'stopping' : 'running' });
    },
  };
}

function unpause(): void {
  paused?.end();
  paused = undefined;
}

function pause(): void {
  if (!isTraining || paused) return;
  let end = (): void => undefined;
  paused = { over: new Promise<void>((resolve) => (end = resolve)), end: () => end() };
}

const store = (run: KeptRun): Promise<void> => keepRun(run).catch(({ message }: Error) => {
  tell({ type: 'note', text: `This browser cannot keep the run (${message}): save it before the tab is closed.` });
});

/** Keeps the run in the browser, and hands it to the page if it is wanted. */
async function keep(prepared: Prepared, kept: Kept): Promise<void> {
  current = { prepared, kept };
  const bytes = await pack(prepared, kept);
  await store({ run: new Blob([bytes]), files: prepared.files });
  if (isWanted) handOver(bytes);
}

/** The run as a file, to the page. */
function handOver(bytes: Uint8Array<ArrayBuffer>): void {
  tell({ type: 'file', bytes }, [bytes.buffer]);
  isWanted = false;
}

/** Trains, and once more from where it is when a run without regions gets some: its programs are others. */
async function trained(asked: Prepared, from?: Kept): Promise<'finished' | 'stopped'> {
  isRestarting = false;
  stopping = new AbortController();
  const prepared = withRegions(asked, brushed);
  current = { prepared, ...(from && { kept: from }) };
  const end = await train(prepared, from, steering(), (kept) => keep(prepared, kept));
  return isRestarting ? trained(prepared, current.kept) : end;
}

async function run(asked: Prepared, from?: Kept): Promise<void> {
  isTraining = true;
  let end: 'finished' | 'stopped';
  try {
    end = await trained(asked, from);
  } finally {
    isRestarting = false;
    isTraining = false;
    unpause();
  }
  if (end === 'finished' && current?.kept) await showDetail(current.prepared, current.kept);
  tell({ type: 'status', status: end });
}

/** The picture at the end with detail, unless the run is stopped meanwhile. Without it the picture that is there stays. */
async function showDetail(prepared: Prepared, kept: Kept): Promise<void> {
  if (!prepared.isDetailed) return;
  const { signal } = stopping;
  const onProgress = (share: number): void => {
    signal.throwIfAborted();
    tell({ type: 'busy', what: `adding detail, ${Math.floor(100 * share)} %` });
  };
  try {
    const detailed = await withDetail(prepared, await pictureOf(prepared, kept), onProgress);
    if (!detailed) return;
    showDetailed(detailed, kept);
    const run = new Blob([await pack(prepared, kept)]);
    await store({ run, files: prepared.files, picture: await toPng(detailed.picture) });
  } catch (error) {
    if (!signal.aborted) tell({ type: 'note', text: `The picture has no detail: ${inWords(error)}` });
  }
}

const stepOf = ({ state }: Kept): number => state.counters['stepsDone'] ?? 0;

function showPicture(image: Image, kept: Kept): void {
  const picture = toShown(image);
  tell({ type: 'picture', picture, step: stepOf(kept) }, [picture.data.buffer]);
}

function showDetailed(detailed: Detailed, kept: Kept): void {
  const [picture, photo] = [toShown(detailed.picture), toShown(detailed.photo)];
  tell({ type: 'picture', picture, photo, step: stepOf(kept) }, [picture.data.buffer, photo.data.buffer]);
}

function showPhotos({ structure, appearance }: Prepared): void {
  tell({ type: 'photos', structure: toShown(structure), appearance: toShown(appearance) });
}

/** Undefined when it is stopped meanwhile. */
async function fitted(job: Job): Promise<Job | undefined> {
  if (!job.fit) return job;
  stopping = new AbortController();
  const { signal } = stopping;
  tell({ type: 'busy', what: 'measuring what ends in time' });
  try {
    const found = await fit(job, job.fit, () => signal.throwIfAborted());
    tell({ type: 'fitted', found });
    const { secondsPerStep: _, ...sizes } = found;
    return { ...job, ...sizes };
  } catch (error) {
    if (!signal.aborted) throw error;
    return undefined;
  }
}

async function start(asked: Job): Promise<void> {
  const job = await fitted(asked);
  if (!job) throw new Error('stopped before the first step');
  const prepared = await prepare(job, await openDevice());
  current = { prepared };
  showPhotos(prepared);
  await run(prepared);
}

async function goOn(steps: number): Promise<void> {
  if (!current?.kept) return;
  const { prepared, kept } = current;
  const options = { ...prepared.options, steps: Math.max(steps, stepOf(kept)) };
  await run({ ...prepared, options }, kept);
}

async function ask(job: Job): Promise<void> {
  const opened = await openDevice();
  const plan = await prepare(job, opened).then(({ memory }) => ({ memory }), (error) => ({ refusal: inWords(error) }));
  tell({ type: 'plan', device: opened.name, ...plan });
}

async function open(file: Blob | undefined, model: ModelChoice | undefined): Promise<void> {
  const found: KeptRun | undefined = file ? { run: file } : await keptRun();
  if (!found) return;
  const opened = await openDevice();
  const saved = await openSaved(found, opened.engine, model);
  current = saved;
  const { prepared, kept } = saved;
  const { steps, warmStart, vitSize, seed, checkpointing, ema } = prepared.options;
  const { structure: { width, height } } = prepared;
  const job = { size: Math.min(width, height), steps, warmStart, vitSize, seed, checkpointing, published: ema === 0 };
  const { regions } = prepared;
  brushed = regions && { structure: regions.structure, appearance: regions.appearances[0]! };
  tell({ type: 'opened', job, done: stepsIn(kept.state), ...(brushed && { brushed }) });
  showPhotos(prepared);
  for (const entry of kept.log) tell({ type: 'losses', entry });
  tell({ type: 'plan', device: opened.name, memory: prepared.memory });
  if (found.picture) showDetailed({ picture: await readPixels(found.picture), photo: await fullPhoto(prepared.files) }, kept);
  else {
    showPicture(await pictureOf(prepared, kept), kept);
    if (stepsIn(kept.state) < steps + warmStart) return;
    stopping = new AbortController();
    await showDetail(prepared, kept);
    tell({ type: 'busy' });
  }
}

/** From the next step on: labels are read at every step, and a run without any begins again with them. */
function brush(painted: Brushed): void {
  brushed = painted;
  if (!isTraining || !current) return;
  const { prepared } = current;
  if (prepared.regions) return change(prepared.regions, painted);
  if (!withRegions(prepared, painted).regions) return;
  isRestarting = true;
  stopping.abort();
  unpause();
}

const atOnce: { readonly [T in Command['type']]: (order: Extract<Command, { type: T }>) => void } = {
  brush: (order) => brush(order.brushed),
  pause,
  resume: unpause,
  stop: () => {
    stopping.abort();
    unpause();
  },
  pack: () => {
    isWanted = true;
    if ((!isTraining || isWaiting) && current?.kept) void pack(current.prepared, current.kept).then(handOver);
  },
};

const isCommand = (order: Order): order is Command => order.type in atOnce;

function work(order: Work): Promise<void> {
  if (order.type === 'open') return open(order.file, order.model);
  if (order.type === 'goOn') return goOn(order.steps);
  if (order.type === 'start') return start(order.job);
  if (order.type === 'ask') return ask(order.job);
  return measure(order.job).then((seconds) => tell({ type: 'measured', seconds }));
}

let last: Promise<void> = Promise.resolve();
let newest: Order | undefined;

onmessage = ({ data: order }: MessageEvent<Order>) => {
  if (isCommand(order)) return (atOnce[order.type] as (order: Command) => void)(order);
  newest = order;
  last = last.then(async () => {
    if (order.type === 'ask' && newest !== order) return; // a newer question has replaced it
    await work(order).catch((error: unknown) => tell({ type: 'failed', text: inWords(error) }));
  });
};
