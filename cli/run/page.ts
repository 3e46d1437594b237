/** The page of a training: what `--watch` shows of it. */
import type { Image } from '../../model/image.js';
import type { StepLosses } from '../../model/training/run.js';
import { encodeImage, readPicture } from '../photos/photo.js';
import { watchRun } from '../watch/live.js';
import type { LossRow } from '../watch/snapshot.js';
import { aboutRun, planOf, type PageText } from './about.js';
import type { Fields } from './config.js';
import type { PictureRow } from './figures.js';
import { previewsIn } from './folder.js';
import { branchPoints } from './kept.js';

export { PICTURES } from '../watch/snapshot.js';

/** A picture that the page shows next to the result. */
export interface ShownPicture {
  readonly name: string;
  readonly label: string;
  readonly image: () => Promise<Image>;
}

export type RunPage = Awaited<ReturnType<typeof openPage>>;

/** @throws UsageError when the port is in use */
export async function openPage(
  config: Fields, { terms, result }: PageText, pictures: readonly ShownPicture[], folder: string, port: number,
  interrupt: AbortSignal,
) {
  const live = await watchRun(aboutRun(config, folder, terms), port, interrupt);
  let shown = folder;
  for (const { image, ...picture } of pictures) live.feed.showPicture(picture, async () => encodeImage(await image()));
  let idle = 0;
  const rowOf = (entry: StepLosses): LossRow => [entry.step, ...terms.map((term) => entry[term] ?? null)];
  const showPreviews = async (): Promise<void> => {
    for (const { steps, path } of await previewsIn(shown)) live.feed.showPreview(steps, () => readPicture(path));
    live.feed.branches((await branchPoints(shown, planOf(config).warmStart)).map(({ steps }) => steps));
  };
  return {
    url: live.url,
    signal: live.signal,
    /** A training in `from` begins, or continues after `done` steps (warm start included) with what its folder holds. */
    begin: async (
      from: string, record: Fields, done: number, log: readonly StepLosses[], figures: readonly PictureRow[],
    ): Promise<void> => {
      shown = from;
      const { warmStart, steps } = planOf(record);
      live.begin({ about: aboutRun(record, from, terms), done, total: warmStart + steps, losses: log.map(rowOf), figures });
      await showPreviews();
    },
    losses: (entry: StepLosses): void => live.losses(rowOf(entry)),
    /** All rows so far. */
    figures: (rows: readonly PictureRow[]): void => live.feed.figures(rows),
    step: live.step,
    /** A picture was saved, perhaps also as a preview. */
    saved: async (step: number, picture: Image): Promise<void> => {
      await showPreviews();
      live.feed.showPicture({ name: 'result', label: result, step }, async () => encodeImage(picture));
    },
    /** The run's product is in its file. */
    product: (step: number, path: string): void =>
      live.feed.showPicture({ name: 'result', label: result, step }, () => readPicture(path)),
    /** See `LiveRun.between`. @param draw absent for a run that draws nothing between two saves */
    between: async (save: () => Promise<void>, step: number, draw: (() => Promise<Image>) | undefined): Promise<number> => {
      const ms = await live.between({
        save,
        draw: async () => {
          const picture = await draw?.();
          return picture?.data.every(Number.isFinite) ? { png: encodeImage(picture), step } : undefined;
        },
      });
      idle += ms / 1000;
      return ms;
    },
    /** Shows a problem that may pass. */
    trouble: (note: string): void => live.feed.state({ status: 'starting', note }),
    /** Seconds between steps so far that were not training. */
    idle: (): number => idle,
    end: live.end,
    close: live.close,
  };
}
