/** The page of a training on many pairs: `train --watch`. Without it none of this does anything. */
import { readFile } from 'node:fs/promises';
import { basename, resolve } from 'node:path';
import type { Image } from '../../model/image.js';
import { encodeImage } from '../photos/photo.js';
import type { LogEntry } from '../run/curve.js';
import { previewsIn } from '../run/folder.js';
import { watchRun, type LiveRun } from '../watch/live.js';
import type { LossRow, RunAbout } from '../watch/snapshot.js';
import type { TrainOptions } from './train.js';

export interface TrainWatch extends Pick<LiveRun, 'signal' | 'step' | 'end' | 'close'> {
  readonly url?: string;
  begin(done: number, log: readonly LogEntry[]): Promise<void>;
  losses(entry: LogEntry): void;
  /** A sheet of held-out pairs was written. */
  saved(steps: number, sheet: Image): Promise<void>;
  /** Milliseconds between two steps that are no training. */
  between(save: () => Promise<void>): Promise<number>;
}

const TERMS = ['total', 'structure', 'appearance', 'identity'] as const;
const rowOf = (entry: LogEntry): LossRow => [entry.step, ...TERMS.map((term) => entry[term])];

function aboutTraining({ structures, appearances, out, general }: TrainOptions): RunAbout {
  const names = [...new Set([structures, appearances].map((folder) => basename(resolve(folder))))];
  return {
    title: `All pairs of ${names.join(' and ')}`,
    facts: [['recipe', general.recipe], ['size', `${general.size} pixels`], ['pairs per step', String(general.batch)], ['seed', String(general.seed)]],
    terms: TERMS,
    again: `splice-gpu view ${out}`,
    goOn: resumeTrainCommand(out),
  };
}

/** The command line that takes up the training in a folder. */
export const resumeTrainCommand = (folder: string): string => `splice-gpu train --resume ${/^[\w./-]+$/.test(folder) ? folder : JSON.stringify(folder)}`;

/** @throws UsageError when the port cannot be had */
export async function watchTraining(options: TrainOptions, interrupt: AbortSignal): Promise<TrainWatch> {
  if (options.watch === undefined) return unwatched(interrupt);
  const about = aboutTraining(options);
  const live = await watchRun(about, options.watch, interrupt);
  const showPreviews = async (): Promise<void> => {
    for (const { steps, path } of await previewsIn(options.out)) live.feed.showPreview(steps, () => readFile(path));
  };
  const { warmStart, steps: training } = options.general;
  return {
    url: live.url,
    signal: live.signal,
    begin: async (done, log) => {
      live.begin({ about, done, total: warmStart + training, losses: log.map(rowOf) });
      await showPreviews();
    },
    losses: (entry) => live.losses(rowOf(entry)),
    saved: async (step, sheet) => {
      await showPreviews();
      live.feed.showPicture({ name: 'result', label: 'Held out: structure, result, appearance', step }, async () => encodeImage(sheet));
    },
    between: (save) => live.between({ save, draw: async () => undefined }), // a sheet takes seconds: it is drawn when saved
    step: live.step,
    end: live.end,
    close: live.close,
  };
}

function unwatched(signal: AbortSignal): TrainWatch {
  const [nothing, noWork] = [(): void => undefined, async (): Promise<void> => undefined];
  return { signal, begin: noWork, losses: nothing, saved: noWork, between: async () => 0, step: nothing, end: noWork, close: noWork };
}
