/** Progress of a download: one line redrawn on a terminal, a plain line now and then elsewhere. */
import { clockTime, type Output } from '../shared/progress.js';

export interface DownloadProgress {
  update(done: number, total: number | undefined): void;
  /** Ends a redrawn line. */
  finish(): void;
}

const REDRAW_MS = 100;
const PLAIN_MS = 15_000;
const BAR = 24;

export function downloadProgress(name: string, output: Output, now: () => number = () => performance.now()): DownloadProgress {
  const terminal = output.isTTY === true;
  let first: { time: number; done: number } | undefined;
  let written = terminal ? -Infinity : now();
  let drawn = false;
  return {
    update: (done, total) => {
      const time = now();
      first ??= { time, done };
      if (time - written < (terminal ? REDRAW_MS : PLAIN_MS) && done !== total) return;
      written = time;
      drawn = terminal;
      const seconds = (time - first.time) / 1000;
      const line = downloadLine(name, done, total, seconds > 0.5 ? (done - first.done) / seconds : undefined);
      output.write(terminal ? `\r${line.slice(0, (output.columns ?? 80) - 1)}\x1b[K` : `${line}\n`);
    },
    finish: () => {
      if (drawn) output.write('\n');
    },
  };
}

/** `dino_vits8 [####----] 43.1/86.7 MB  5.2 MB/s  0:08 left`; what is not known is left out. */
export function downloadLine(name: string, done: number, total: number | undefined, bytesPerSecond: number | undefined): string {
  const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);
  const filled = total ? Math.round((BAR * done) / total) : 0;
  const bar = total ? `[${'#'.repeat(filled)}${'-'.repeat(BAR - filled)}] ${megabytes(done)}/${megabytes(total)} MB` : `${megabytes(done)} MB`;
  const rate = bytesPerSecond && `${megabytes(bytesPerSecond)} MB/s`;
  const left = bytesPerSecond && total && done < total ? `${clockTime((total - done) / bytesPerSecond)} left` : undefined;
  return [`${name} ${bar}`, rate, left].filter(Boolean).join('  ');
}
