/** A live run and its page: the news of the run, the commands of the page, and the server between them. */
import { rateMeter, type RateMeter } from '../shared/rate.js';
import { createGate, type Gate } from './controls.js';
import { createFeed, type FeedWriter } from './feed.js';
import { createPainting } from './painting.js';
import { serveWatch } from './server.js';
import { isOver, type FigureRow, type LossRow, type RunAbout } from './snapshot.js';

/** The state of a run at its start, or when it resumes from a checkpoint. */
export interface Standing {
  readonly about: RunAbout;
  /** Steps done and in all, over all phases. */
  readonly done: number;
  readonly total: number;
  readonly losses: readonly LossRow[];
  readonly figures: readonly FigureRow[];
}

/** The work for the page between two steps. */
export interface Between {
  /** Writes the state of the run; the page's "save". */
  save(): Promise<void>;
  /** The current result; undefined when there is none worth showing. */
  draw(): Promise<{ readonly png: Uint8Array; readonly step: number } | undefined>;
}

export type LiveRun = Awaited<ReturnType<typeof watchRun>>;

const STATE_MS = 200;
const DRAW_MS = 1000;
const DRAW_SHARE = 1 / 20;

/** @throws UsageError when the port is taken or not allowed */
export async function watchRun(about: RunAbout, port: number, interrupt: AbortSignal) {
  const feed = createFeed(about);
  const gate = createGate(feed, interrupt);
  const { paints, painted, brush } = createPainting(feed);
  const server = await serveWatch(feed, { port, controls: gate.controls, brush });
  const rate = rateMeter();
  let closed: Promise<void> | undefined;
  /** Closes without news, for runs that never began. */
  const close = (): Promise<void> => (closed ??= server.close());
  return {
    url: server.url,
    /** Aborted by the page's "stop", and by `interrupt`. */
    signal: gate.signal,
    feed,
    paints,
    painted,
    /** May be called again, which forgets earlier curves and previews. */
    begin: ({ about: begun, done, total, losses, figures }: Standing): void => {
      rate.reset();
      feed.rewind();
      feed.losses(losses);
      feed.figures(figures);
      feed.state({ status: 'running', done, total, note: undefined, stepsPerSecond: undefined, secondsLeft: undefined });
      feed.about({ ...begun, brush: feed.snapshot().about.brush ?? false });
    },
    step: stepSender(feed, rate),
    /** A step's losses, in the order of the terms. */
    losses: (row: LossRow): void => feed.losses([row]),
    between: betweenSteps(feed, gate, rate),
    /** Pages show the end, fetch the pictures they lack, and the server closes. */
    end: async (status: 'finished' | 'interrupted' | 'failed', { seconds, note }: { seconds?: number; note?: string }) => {
      feed.state({ status, note, secondsTaken: seconds, secondsLeft: undefined });
      await close();
    },
    close,
  };
}

/** Steps are too fast to read: the page gets some of them, every change of phase, and the last one before a pause. */
function stepSender(feed: FeedWriter, rate: RateMeter) {
  let [sent, latest] = [-Infinity, { done: 0, phase: '', stepsPerSecond: undefined as number | undefined }];
  let later: ReturnType<typeof setTimeout> | undefined;
  const send = (): void => {
    clearTimeout(later);
    later = undefined;
    sent = performance.now();
    const { status, total } = feed.snapshot().state;
    if (isOver(status)) return;
    const { done, phase, stepsPerSecond } = latest;
    const moving = status === 'running' && stepsPerSecond !== undefined;
    feed.state({ done, phase, ...(moving && { stepsPerSecond, secondsLeft: (total - done) / stepsPerSecond }) });
  };
  return (done: number, phase: string): void => {
    latest = { done, phase, stepsPerSecond: rate.mark(done) };
    const { state } = feed.snapshot();
    const due = sent + STATE_MS - performance.now();
    if (due <= 0 || phase !== state.phase || done >= state.total) send();
    else later ??= setTimeout(send, due).unref();
  };
}

/**
 * To be awaited between steps: saves, pauses, draws. Returns the milliseconds it took.
 * The newest result is drawn only while a page is open, and takes at most a twentieth of the time.
 */
function betweenSteps(feed: FeedWriter, gate: Gate, rate: RateMeter) {
  let nextDrawing = -Infinity;
  return async ({ save, draw }: Between): Promise<number> => {
    const began = performance.now();
    if (began >= nextDrawing && feed.listeners.size > 0 && !gate.signal.aborted) {
      const drawn = await draw();
      if (drawn) feed.showPicture({ name: 'result', label: 'Result', step: drawn.step }, async () => drawn.png);
      const now = performance.now();
      nextDrawing = now + Math.max(DRAW_MS, (now - began) / DRAW_SHARE);
    }
    const paused = await gate.pass(save);
    if (paused) rate.reset();
    return performance.now() - began;
  };
}
