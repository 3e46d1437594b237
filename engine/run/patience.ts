/** Waiting for a device that is the processor itself. */

/** The longest delay that a nap may add to a result: a share of the wait so far, and this many milliseconds at most. */
const SHARE = 1 / 20;
const LONGEST_NAP_MS = 2;

let cell: Int32Array | undefined;

/** Blocks this thread. @throws TypeError where blocking is not allowed, as in a page's main thread */
function nap(ms: number): void {
  cell ??= new Int32Array(new SharedArrayBuffer(4));
  Atomics.wait(cell, 0, 0, ms);
}

/**
 * Whether a device comes from Dawn's bindings for Node. They set the attributes of a device on each object; where WebGPU is
 * built in, as in browsers and Deno, the prototype has them.
 */
export const isDawnForNode = (device: object): boolean => Object.hasOwn(device, 'queue');

/**
 * Waits for `work` and leaves the processor to others meanwhile. While one of its promises is open, Dawn's binding for Node polls
 * in every turn of the event loop: on a software adapter that takes a core from the kernels. Here every turn begins with a nap.
 * Without such turns (in a browser), or where blocking is not allowed (in its main thread), this is a plain wait.
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
