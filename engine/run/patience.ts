/** Waiting for a device that is the processor itself. */

/** How much later than it was there an answer may be seen: a share of the wait so far, and no more milliseconds than these. */
const SHARE = 1 / 20;
const LONGEST_NAP_MS = 2;

let cell: Int32Array | undefined;

/** Blocks this thread. @throws TypeError where it must not be, as in a page's main thread */
function nap(ms: number): void {
  cell ??= new Int32Array(new SharedArrayBuffer(4));
  Atomics.wait(cell, 0, 0, ms);
}

/**
 * Waits for `work` and leaves the processor to others meanwhile. Dawn's bindings for Node ask for news in every turn of the event loop, without a
 * pause, for as long as a promise of theirs is open: on a software adapter that takes a core from the kernels. Here every turn begins with a nap.
 * Where there are no such turns (a browser), or nobody may block (its main thread), it is a plain wait.
 */
export function waitCalmly<T>(work: Promise<T>): Promise<T> {
  const { setImmediate: inNextTurn } = globalThis as { setImmediate?: (then: () => void) => unknown };
  if (!inNextTurn) return work;
  const start = performance.now();
  let isOpen = true;
  const turn = (): void => {
    if (!isOpen) return;
    try {
      nap(Math.min(LONGEST_NAP_MS, SHARE * (performance.now() - start)));
    } catch {
      return;
    }
    inNextTurn(turn);
  };
  inNextTurn(turn);
  return work.finally(() => (isOpen = false));
}
