/** The page of a training: what `--watch` shows of it. Without --watch all of this does nothing. */
import { readFile } from 'node:fs/promises';
import type { Image } from '../../model/image.js';
import type { StepLosses } from '../../model/training/run.js';
import { encodeImage } from '../photos/photo.js';
import { watchRun, type LiveRun } from '../watch/live.js';
import type { LossRow } from '../watch/snapshot.js';
import { aboutRun, planOf, type PageText } from './about.js';
import type { Fields } from './config.js';
import { previewsIn } from './folder.js';

/** A picture that the page shows next to the result. */
export interface ShownPicture {
  readonly name: string;
  readonly label: string;
  readonly image: Image;
}

export interface RunPage extends Pick<LiveRun, 'signal' | 'step' | 'end' | 'close'> {
  /** Address of the page; undefined without one. */
  readonly url: string | undefined;
  /** The training begins, or continues after `done` steps (warm start included) with what its folder holds. */
  begin(config: Fields, done: number, log: readonly StepLosses[]): Promise<void>;
  losses(entry: StepLosses): void;
  /** A picture was saved, perhaps also as a preview. */
  saved(steps: number, picture: Image): Promise<void>;
  /** See `LiveRun.between`; `draw` returns undefined when there is no picture to show between saves. */
  between(save: () => Promise<void>, draw: () => Promise<{ readonly picture: Image; readonly step: number } | undefined>): Promise<number>;
  /** Shows a problem that may pass. */
  trouble(note: string): void;
  /** Seconds between steps so far that were not training. */
  idle(): number;
}

/**
 * @param port undefined for no page
 * @throws UsageError when the port is in use
 */
export async function openPage(
  { config, page, pictures, folder }: { config: Fields; page: PageText; pictures: readonly ShownPicture[]; folder: string },
  port: number | undefined,
  interrupt: AbortSignal,
): Promise<RunPage> {
  if (port === undefined) return unwatched(interrupt);
  const live = await watchRun(aboutRun(config, folder, page.terms), port, interrupt);
  for (const { image, ...picture } of pictures) live.feed.showPicture(picture, async () => encodeImage(image));
  return watched(live, page, folder);
}

function watched(live: LiveRun, { terms, result }: PageText, folder: string): RunPage {
  let idle = 0;
  const rowOf = (entry: StepLosses): LossRow => [entry.step, ...terms.map((term) => entry[term] ?? null)];
  const showPreviews = async (): Promise<void> => {
    for (const { steps, path } of await previewsIn(folder)) live.feed.showPreview(steps, () => readFile(path));
  };
  return {
    url: live.url,
    signal: live.signal,
    begin: async (config, done, log) => {
      const { warmStart, steps } = planOf(config);
      live.begin({ about: aboutRun(config, folder, terms), done, total: warmStart + steps, losses: log.map(rowOf) });
      await showPreviews();
    },
    losses: (entry) => live.losses(rowOf(entry)),
    step: live.step,
    saved: async (step, picture) => {
      await showPreviews();
      live.feed.showPicture({ name: 'result', label: result, step }, async () => encodeImage(picture));
    },
    between: async (save, draw) => {
      const ms = await live.between({
        save,
        draw: async () => {
          const drawn = await draw();
          if (!drawn?.picture.data.every(Number.isFinite)) return undefined;
          return { png: encodeImage(drawn.picture), step: drawn.step };
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

function unwatched(signal: AbortSignal): RunPage {
  const nothing = (): void => undefined;
  const noWork = async (): Promise<void> => undefined;
  return {
    url: undefined, signal, begin: noWork, losses: nothing, step: nothing, saved: noWork, between: async () => 0, trouble: nothing,
    idle: () => 0, end: noWork, close: noWork,
  };
}
