/** Progress of a download on stderr. */
import { clockTime, liveLine, type Output } from '../shared/progress.js';

const BAR = 24;

/**
 * Shows the progress of a download; `finish` ends a redrawn line.
 * @param intro written once data arrives: without a network the error is all that matters
 */
export function downloadProgress(name: string, intro: string, output: Output, now = (): number => performance.now()) {
  const { update, finish } = liveLine(output, now, output.isTTY ? -Infinity : now());
  let first: { time: number; done: number } | undefined;
  return {
    update: (done: number, total: number | undefined): void => {
      if (!first) output.write(intro);
      first ??= { time: now(), done };
      const seconds = (now() - first.time) / 1000;
      const line = downloadLine(name, done, total, seconds > 0.5 ? (done - first.done) / seconds : undefined);
      update((columns = Infinity) => line.slice(0, columns - 1), done === total);
    },
    finish,
  };
}

/** `dino_vits8 [####----] 43.1/86.7 MB  5.2 MB/s  0:08 left`; unknown values are left out. */
export function downloadLine(name: string, done: number, total: number | undefined, bytesPerSecond: number | undefined): string {
  const megabytes = (bytes: number): string => (bytes / 1e6).toFixed(1);
  const filled = total ? Math.round((BAR * done) / total) : 0;
  const bar = total && `[${'#'.repeat(filled)}${'-'.repeat(BAR - filled)}]`;
  const size = total ? `${megabytes(done)}/${megabytes(total)} MB` : `${megabytes(done)} MB`;
  const rate = bytesPerSecond && `${megabytes(bytesPerSecond)} MB/s`;
  const left = bytesPerSecond && total && done < total ? `${clockTime((total - done) / bytesPerSecond)} left` : undefined;
  return [[name, bar, size].filter(Boolean).join(' '), rate, left].filter(Boolean).join('  ');
}
