/** Progress on stderr: one line redrawn on a terminal, a plain line now and then elsewhere. */
import { termsOf, type StepLosses } from '../../model/training/run.js';
import { rateMeter } from './rate.js';

export interface Progress {
  /** `done` of all steps, warm start counted in. */
  update(done: number, phase: string, losses?: StepLosses): void;
  /** A line of text that stays. */
  note(text: string): void;
  /** Ends a redrawn line. */
  finish(): void;
}

/** What progress is written to; process.stderr is one. */
export interface Output {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

export interface ProgressState {
  readonly done: number;
  readonly total: number;
  readonly phase: string;
  readonly losses?: StepLosses;
  /** Not known before the first steps are through. */
  readonly stepsPerSecond?: number;
}

const REDRAW_MS = 100;
const PLAIN_MS = 15_000;
/** In characters. */
const SHORTEST_BAR = 5;
const LONGEST_BAR = 30;

export function createProgress(total: number, output: Output = process.stderr, now: () => number = () => performance.now()): Progress {
  const terminal = output.isTTY === true;
  const rate = rateMeter(now);
  let written = -Infinity;
  let latest: StepLosses | undefined;

  const update = (done: number, phase: string, losses?: StepLosses): void => {
    const time = now();
    latest = losses ?? latest;
    const stepsPerSecond = rate.mark(done);
    const isDue = time - written >= (terminal ? REDRAW_MS : PLAIN_MS) || done === total;
    if (!isDue) return;
    written = time;
    const state: ProgressState = { done, total, phase, ...(latest && { losses: latest }), ...(stepsPerSecond && { stepsPerSecond }) };
    output.write(terminal ? `\r${barLine(state, output.columns ?? 80)}\x1b[K` : `${plainLine(state)}\n`);
  };
  const note = (text: string): void => {
    output.write(terminal ? `\r\x1b[K${text}\n` : `${text}\n`);
  };
  const finish = (): void => {
    if (terminal && written > -Infinity) output.write('\n');
  };
  return { update, note, finish };
}

/** `[####------] 120/300 training  total 3.21 …  2.4 steps/s  1:20 left`: a narrow terminal does without the terms, then is cut at `columns`. */
export function barLine(state: ProgressState, columns: number): string {
  const room = (text: string): number => columns - text.length - 4;
  const whole = plainLine(state);
  const text = room(whole) >= SHORTEST_BAR ? whole : plainLine(state, false);
  const width = Math.min(LONGEST_BAR, room(text));
  const filled = Math.round((width * state.done) / state.total);
  const bar = width >= SHORTEST_BAR ? `[${'#'.repeat(filled)}${'-'.repeat(width - filled)}] ` : '';
  return (bar + text).slice(0, Math.max(0, columns - 1));
}

/** Step, phase, total loss and, if `withTerms`, its terms, rate and time left; what is not known is left out. */
export function plainLine({ done, total, phase, losses, stepsPerSecond }: ProgressState, withTerms = true): string {
  const [main = '', ...others] = losses ? termsOf(losses).map((term) => `${term} ${short(losses[term]!)}`) : [];
  const terms = withTerms && others.length > 0 ? ` (${others.join(', ')})` : '';
  const rate = stepsPerSecond && `${short(stepsPerSecond)} steps/s`;
  const left = stepsPerSecond && done < total ? `${clockTime((total - done) / stepsPerSecond)} left` : undefined;
  return [`${done}/${total} ${phase}`, main && main + terms, rate, left].filter(Boolean).join('  ');
}

/** 4000 s -> 1:06:40. */
export function clockTime(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const pair = (n: number) => String(n).padStart(2, '0');
  const minutes = Math.floor(whole / 60);
  return minutes < 60 ? `${minutes}:${pair(whole % 60)}` : `${Math.floor(minutes / 60)}:${pair(minutes % 60)}:${pair(whole % 60)}`;
}

/** Three significant digits. */
const short = (value: number): string => (Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3));
