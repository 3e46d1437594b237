/** Ctrl-C and termination: the first signal asks to finish, the second ends the process at once. */
import { EXIT_INTERRUPTED } from './errors.js';

/** A key press reaches a re-executed process twice: from the terminal, and forwarded by its parent. */
const SAME_PRESS_MS = 500;

let latest: AbortSignal | undefined;

/** The signal of the command that runs, for waits deep inside of it; undefined in a program that has none. */
export const latestInterrupt = (): AbortSignal | undefined => latest;

/** Aborted by the first SIGINT or SIGTERM. @param ended when aborted, the process's signals are let go */
export function interruptSignal(ended?: AbortSignal): AbortSignal {
  const controller = new AbortController();
  let first = 0;
  const onSignal = () => {
    if (controller.signal.aborted && performance.now() - first > SAME_PRESS_MS) process.exit(EXIT_INTERRUPTED);
    if (!controller.signal.aborted) first = performance.now();
    controller.abort();
  };
  for (const name of ['SIGINT', 'SIGTERM']) {
    process.on(name, onSignal);
    ended?.addEventListener('abort', () => process.off(name, onSignal));
  }
  latest = controller.signal;
  return latest;
}
