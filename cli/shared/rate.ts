/** Steps a second over the last while: what was compiled at the start, or a pause, must not count for long. */

const RATE_MS = 20_000;

export interface RateMeter {
  /** Notes that `done` steps are through; answers with the rate, not known before the first are. */
  mark(done: number): number | undefined;
  /** Begins anew, behind a pause. */
  reset(): void;
}

/** @param now milliseconds of a clock that never goes back */
export function rateMeter(now: () => number = () => performance.now()): RateMeter {
  let marks: { readonly time: number; readonly done: number }[] = [];
  return {
    mark: (done) => {
      const time = now();
      marks.push({ time, done });
      while (marks.length > 2 && time - marks[1]!.time > RATE_MS) marks.shift();
      const first = marks[0]!;
      const seconds = (time - first.time) / 1000;
      return seconds > 0 && done > first.done ? (done - first.done) / seconds : undefined;
    },
    reset: () => {
      marks = [];
    },
  };
}
