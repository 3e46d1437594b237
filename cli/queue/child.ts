/**
 * The process in which a worker trains a job, so that long reads of the GPU never delay the worker's hold on the job. It knows
 * nothing of the queue: it finds the job in a folder, trains it there, and reports by lines of JSON on stdout.
 */
import { join } from 'node:path';
import { privateDriver } from '../gpu/mesa.js';
import type { Parts } from '../run/parts.js';
import { errorLine, EXIT_INTERRUPTED, isAbort, NoAdapterError } from '../shared/errors.js';
import { readBounded } from '../shared/read.js';
import { writeLine } from '../shared/progress.js';
import { ensureTransfer } from '../transfer/ensure.js';
import { blameFor, type Blame } from './blame.js';
import { parseDescription, placesIn, transferOf } from './job.js';
import { MAX_FILE } from './place.js';

/** The job of a folder. */
export const JOB_FILE = 'job.json';

/** A line of the process. */
export type ChildLine =
  /** Steps done and in all, those of the warm start included. */
  | { readonly done: number; readonly total: number }
  /** A checkpoint and what belongs to it are written. */
  | { readonly saved: number }
  | { readonly device: string }
  | { readonly failed: string; readonly blame: Blame };

type Say = (line: ChildLine) => void;

/** Time between two lines about steps. */
const STEP_MS = 1000;

/** Trains the job in `folder`. Returns the exit code: 0 done, 130 interrupted and saved, 1 failed. */
export async function trainJob(folder: string, parts: Parts, say: Say): Promise<number> {
  try {
    const description = parseDescription(await readBounded(join(folder, JOB_FILE), { maxBytes: MAX_FILE }));
    const transfer = transferOf(description, placesIn(folder, description));
    const note = (text: string): void => writeLine(parts.stderr, text);
    // A state that is not of this job is of no use.
    const onOther = (setting: string): void => note(`the earlier state has another ${setting}: starting again`);
    return await ensureTransfer(transfer, reporting(parts, say), { onOther, note });
  } catch (error) {
    if (isAbort(error)) return EXIT_INTERRUPTED;
    if (error instanceof NoAdapterError && privateDriver()) throw error; // the process starts again with it
    say({ failed: errorLine(error) ?? String(error), blame: blameFor(error) });
    return 1;
  }
}

/** Parts whose runs tell their steps and saves. A checkpoint is written when the run goes on after its state was read. */
function reporting(parts: Parts, say: Say): Parts {
  return {
    ...parts,
    openEngine: async (use) => {
      const opened = await parts.openEngine(use);
      say({ device: opened.adapter.device || opened.adapter.driver });
      return opened;
    },
    startSplice: async (...inputs) => {
      const run = await parts.startSplice(...inputs);
      const { steps, warmStart } = inputs[4];
      let [isRead, told] = [false, -Infinity];
      const done = (): number => run.warmStepsDone + run.stepsDone;
      const step: typeof run.step = async () => {
        if (isRead) say({ saved: done() });
        isRead = false;
        const made = await run.step();
        if (performance.now() - told < STEP_MS) return made;
        told = performance.now();
        say({ done: done(), total: warmStart + steps });
        return made;
      };
      const state: typeof run.state = async () => {
        isRead = true;
        return run.state();
      };
      return Object.assign(Object.create(run) as typeof run, { step, state });
    },
  };
}
