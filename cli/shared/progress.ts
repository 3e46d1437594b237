/** Progress on stderr: one line that is redrawn on a terminal, an occasional plain line otherwise. */
import { termsOf, type StepLosses } from '../../model/training/run.js';
import { rateMeter } from './rate.js';
import { printable } from './text.js';

/** A stream that progress is written to, such as process.stderr. */
export interface Output {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** Writes a line that may quote a file: nothing in it is a command to a terminal. */
export const writeLine = (output: Output, text: string): void => void output.write(`${printable(text)}\n`);

/** The streams for a command's result and messages, and the signal that interrupts it. */
export interface Io {
  readonly stdout: Output;
  readonly stderr: Output;
  /** Aborted by Ctrl-C and termination. */
  readonly interrupt: AbortSignal;
}

export interface ProgressState {
  readonly done: number;
  readonly total: number;
  readonly phase: string;
  readonly losses?: StepLosses | undefined;
  /** Unknown until the first steps are done. */
  readonly stepsPerSecond?: number | undefined;
}

const REDRAW_MS = 100;
const PLAIN_MS = 15_000;
/** In characters. */
const SHORTEST_BAR = 5;
const LONGEST_BAR = 30;

/**
 * A line that replaces the one before on a terminal, and is written at most every 15 s to other outputs.
 * @param written time in milliseconds that counts as the last line's
 */
export function liveLine(output: Output, now: () => number, written = -Infinity) {
  const terminal = output.isTTY === true;
  let drawn = false;
  return {
    /** Writes `text`, which gets the columns of a terminal, if a line is due or this is the last one. */
    update: (text: (columns?: number) => string, isLast: boolean): void => {
      const time = now();
      if (time - written < (terminal ? REDRAW_MS : PLAIN_MS) && !isLast) return;
      [written, drawn] = [time, terminal];
      output.write(terminal ? `\r${printable(text(output.columns ?? 80))}\x1b[K` : `${printable(text())}\n`);
    },
    /** Writes a line of text that stays. */
    note: (text: string): void => void output.write(`${terminal ? '\r\x1b[K' : ''}${printable(text)}\n`),
    /** Ends a redrawn line. */
    finish: (): void => void (drawn && output.write('\n')),
  };
}

export type Progress = ReturnType<typeof createProgress>;

export function createProgress(total: number, output: Output = process.stderr, now = (): number => performance.now()) {
  const { update, ...rest } = liveLine(output, now);
  const rate = rateMeter(now);
  let latest: StepLosses | undefined;
  return {
    /** @param done of all steps, the warm start included */
    update: (done: number, phase: string, losses?: StepLosses): void => {
      latest = losses ?? latest;
      const state = { done, total, phase, losses: latest, stepsPerSecond: rate.mark(done) };
      update((columns) => (columns === undefined ? plainLine(state) : barLine(state, columns)), done === total);
    },
    ...rest,
  };
}

/**
 * `[####------] 120/300 training  total 3.21 …  2.4 steps/s  1:20 left`. A line that is too long for `columns` loses the terms of
 * the loss, then its end.
 */
export function barLine(state: ProgressState, columns: number): string {
  const room = (text: string): number => columns - text.length - 4;
  const whole = plainLine(state);
  const text = room(whole) >= SHORTEST_BAR ? whole : plainLine(state, false);
  const width = Math.min(LONGEST_BAR, room(text));
  const filled = Math.round((width * state.done) / state.total);
  const bar = width >= SHORTEST_BAR ? `[${'#'.repeat(filled)}${'-'.repeat(width - filled)}] ` : '';
  return (bar + text).slice(0, Math.max(0, columns - 1));
}

/** Step, phase, total loss and, if `withTerms`, its terms, rate and time left; unknown values are left out. */
export function plainLine({ done, total, phase, losses, stepsPerSecond }: ProgressState, withTerms = true): string {
  const [main = '', ...others] = losses ? termsOf(losses).map((term) => `${term} ${short(losses[term]!)}`) : [];
  const terms = withTerms && others.length > 0 ? ` (${others.join(', ')})` : '';
  const rate = stepsPerSecond && `${short(stepsPerSecond)} steps/s`;
  const left = stepsPerSecond && done < total ? `${clockTime((total - done) / stepsPerSecond)} left` : undefined;
  return [`${done}/${total} ${phase}`, main + terms, rate, left].filter(Boolean).join('  ');
}

/** 4000 s -> 1:06:40. */
export function clockTime(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const pair = (n: number) => String(n).padStart(2, '0');
  return hours > 0 ? `${hours}:${pair(minutes)}:${pair(whole % 60)}` : `${minutes}:${pair(whole % 60)}`;
}

/** Three significant digits. */
const short = (value: number): string => (Math.abs(value) >= 100 ? value.toFixed(0) : value.toPrecision(3));
