/** Ctrl-C, termination, hangup: the first signal asks to finish, the second Ctrl-C or termination ends the process at once. */
import { readFileSync, readlinkSync } from 'node:fs';
import { basename } from 'node:path';
import { EXIT_INTERRUPTED } from './errors.js';

/** A key press reaches a re-executed process twice: from the terminal, and forwarded by its parent. */
const SAME_PRESS_MS = 500;

/** Somebody sends these, and may be in a hurry. */
const ASKING = ['SIGINT', 'SIGTERM', 'SIGQUIT', 'SIGBREAK'] as const;
/** The system sends these, some of them again and again, and schedulers of jobs: each would end the process. */
const WARNING = ['SIGHUP', 'SIGXCPU', 'SIGPWR', 'SIGUSR2', 'SIGALRM', 'SIGVTALRM'] as const;

let latest: AbortSignal | undefined;

/** The signal of the command that runs, for waits deep inside of it; undefined in a program that has none. */
export const latestInterrupt = (): AbortSignal | undefined => latest;

/** Aborted by the first signal that would end the process. @param ended when aborted, the process's signals are let go */
export function interruptSignal(ended?: AbortSignal): AbortSignal {
  const controller = new AbortController();
  let first = 0;
  const onWarning = (): void => {
    if (!controller.signal.aborted) first = performance.now();
    controller.abort();
  };
  const onAsking = (): void => {
    if (controller.signal.aborted && performance.now() - first > SAME_PRESS_MS) process.exit(EXIT_INTERRUPTED);
    onWarning();
  };
  const listen = (name: string, listener: () => void): void => {
    process.on(name, listener);
    ended?.addEventListener('abort', () => process.off(name, listener));
  };
  for (const name of ASKING) listen(name, onAsking);
  for (const name of WARNING) if (name !== 'SIGHUP' || !ignoresHangup()) listen(name, onWarning);
  latest = controller.signal;
  return latest;
}

/**
 * Whether whoever started this process made it ignore the end of its terminal, as `nohup` does. Node forgets that when it starts
 * (its `ResetSignalHandlers`), so it is told by other signs: the shell's name for the command, a parent that ignores it too, and
 * the files that `nohup` puts in the place of a terminal.
 */
export function ignoresHangup(env: NodeJS.ProcessEnv = process.env): boolean {
  if (basename(env['_'] ?? '') === 'nohup') return true;
  const ignored = /^SigIgn:\s*([0-9a-f]+)$/m.exec(textOf(`/proc/${process.ppid}/status`))?.[1];
  if (ignored !== undefined && (BigInt(`0x${ignored}`) & 1n) === 1n) return true;
  // As its input, /dev/null opened for writing alone: the last digit of the flags is 1.
  const isWriteOnly = /^flags:\s*[0-7]*1$/m.test(textOf('/proc/self/fdinfo/0'));
  return isWriteOnly || [1, 2].some((fd) => basename(targetOf(`/proc/self/fd/${fd}`)) === 'nohup.out');
}

/** The text of a file of the system; empty where there is none. */
function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function targetOf(link: string): string {
  try {
    return readlinkSync(link);
  } catch {
    return '';
  }
}
