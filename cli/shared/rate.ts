/** Steps a second over the last 20 s: compilation at the start and pauses must not count for long. */

const RATE_MS = 20_000;

export type RateMeter = ReturnType<typeof rateMeter>;

/** @param now milliseconds of a monotonic clock */
export function rateMeter(now = (): number => performance.now()) {
  let marks: { readonly time: number; readonly done: number }[] = [];
  return {
    /** Notes that `done` steps are done. Returns the rate, unknown until there have been steps. */
    mark: (done: number): number | undefined => {
      const time = now();
      marks.push({ time, done });
      while (marks.length > 2 && time - marks[1]!.time > RATE_MS) marks.shift();
      const first = marks[0]!;
      const seconds = (time - first.time) / 1000;
      return seconds > 0 && done > first.done ? (done - first.done) / seconds : undefined;
    },
    /** Starts again, such as after a pause. */
    reset: (): void => void (marks = []),
  };
}
