/** Turns of programs that share slots: what one keeps there between two shares of its launches, no other may overwrite. */
import { UseError } from '../graph/index.js';

export interface Turns {
  /**
   * A program records its launches `from` to `to` of `count`.
   * @throws UseError when another program is in the middle, or when other launches of this one come first
   */
  readonly take: (program: object, from: number, to: number, count: number) => void;
  /** @throws UseError when a program other than this one is in the middle */
  readonly check: (program: object) => void;
  /** The program will not go on. */
  readonly release: (program: object) => void;
}

export function createTurns(): Turns {
  let open: { readonly program: object; readonly next: number; readonly count: number } | undefined;
  const check = (program: object): void => {
    if (!open || open.program === program) return;
    const state = `another program of this engine has recorded ${open.next} of ${open.count} launches`;
    throw new UseError(`program: ${state}, and its results so far would be lost: encode the others first, or destroy it`);
  };
  return {
    check,
    take: (program, from, to, count) => {
      check(program);
      const isRange = Number.isInteger(from) && Number.isInteger(to) && from >= 0 && from <= to && to <= count;
      if (!isRange) throw new UseError(`program: launches ${from} to ${to} of ${count}: give 0 <= from <= to <= ${count}`);
      const next = open?.next ?? 0;
      if (from !== 0 && from !== next) throw new UseError(`program: launches from ${from}: begin with ${next}, or again with 0`);
      open = to < count ? { program, next: to, count } : undefined;
    },
    release: (program) => {
      if (open?.program === program) open = undefined;
    },
  };
}
