/** The page of a pair's training: what `transfer --watch` tells it. Without --watch none of this does anything. */
import { readFile } from 'node:fs/promises';
import type { Image } from '../../model/image.js';
import { encodeImage } from '../photos/photo.js';
import type { Inputs } from '../transfer/inputs.js';
import type { LogEntry } from './curve.js';
import { previewsIn } from './folder.js';
import type { TransferOptions } from '../transfer/transfer.js';
import { aboutRun, totalSteps, type Config } from '../watch/describe.js';
import { watchRun, type LiveRun } from '../watch/live.js';
import type { LossRow } from '../watch/snapshot.js';

export interface PairWatch extends Pick<LiveRun, 'signal' | 'step' | 'end' | 'close'> {
  /** Where the page is; undefined without one. */
  readonly url: string | undefined;
  /** The training begins, or goes on behind `done` steps (warm start counted in) with what its folder holds. */
  begin(config: Config, done: number, log: readonly LogEntry[]): Promise<void>;
  losses(entry: LogEntry): void;
  /** A picture was saved, and as a preview perhaps. */
  saved(steps: number, picture: Image): Promise<void>;
  /** See `LiveRun.between`. */
  between(save: () => Promise<void>, draw: () => Promise<{ readonly picture: Image; readonly step: number }>): Promise<number>;
  /** Something went wrong that may come right again. */
  trouble(note: string): void;
  /** Seconds between steps so far that were no training. */
  idle(): number;
}

const TERMS = ['total', 'structure', 'appearance', 'identity'] as const;

const rowOf = (entry: LogEntry): LossRow => [entry.step, ...TERMS.map((term) => entry[term])];

/** @throws UsageError when the port cannot be had */
export async function watchPair({ watch, out }: Pick<TransferOptions, 'watch' | 'out'>, { structure, appearance }: Inputs, interrupt: AbortSignal): Promise<PairWatch> {
  if (watch === undefined) return unwatched(interrupt);
  const photos = { structure: { path: structure.path }, appearance: { path: appearance.path } };
  const live = await watchRun(aboutRun(photos, out, TERMS), watch, interrupt);
  live.feed.showPicture({ name: 'structure', label: 'Structure' }, async () => encodeImage(structure.image));
  live.feed.showPicture({ name: 'appearance', label: 'Appearance' }, async () => encodeImage(appearance.image));
  return watched(live, out);
}

function watched(live: LiveRun, folder: string): PairWatch {
  let idle = 0;
  const showPreviews = async (): Promise<void> => {
    for (const { steps, path } of await previewsIn(folder)) live.feed.showPreview(steps, () => readFile(path));
  };
  return {
    url: live.url,
    signal: live.signal,
    begin: async (config, done, log) => {
      live.begin({ about: aboutRun(config, folder, TERMS), done, total: totalSteps(config), losses: log.map(rowOf) });
      await showPreviews();
    },
    losses: (entry) => live.losses(rowOf(entry)),
    step: live.step,
    saved: async (step, picture) => {
      await showPreviews();
      live.feed.showPicture({ name: 'result', label: 'Result', step }, async () => encodeImage(picture));
    },
    between: async (save, draw) => {
      const ms = await live.between({
        save,
        draw: async () => {
          const { picture, step } = await draw();
          return picture.data.every(Number.isFinite) ? { png: encodeImage(picture), step } : undefined;
        },
      });
      idle += ms / 1000;
      return ms;
    },
    trouble: (note) => live.feed.state({ status: 'starting', note }),
    idle: () => idle,
    end: live.end,
    close: live.close,
  };
}

function unwatched(signal: AbortSignal): PairWatch {
  const nothing = (): void => undefined;
  const noTime = async (): Promise<number> => 0;
  const noWork = async (): Promise<void> => undefined;
  return { url: undefined, signal, begin: noWork, losses: nothing, step: nothing, saved: noWork, between: noTime, trouble: nothing, idle: () => 0, end: noWork, close: noWork };
}
