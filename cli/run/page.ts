/** The page of a training: what `--watch` shows of it. */
import type { Image } from '../../model/image.js';
import type { StepLosses } from '../../model/training/run.js';
import { encodeImage, readPicture } from '../photos/photo.js';
import { watchRun, type LiveRun } from '../watch/live.js';
import type { LossRow } from '../watch/snapshot.js';
import { aboutRun, planOf, type PageText } from './about.js';
import type { Fields } from './config.js';
import type { PictureRow } from './figures.js';
import { previewsIn } from './folder.js';
import { branchPoints } from './kept.js';

export type { Painted } from '../watch/painting.js';
export { PICTURES } from '../watch/snapshot.js';

/** A picture that the page shows next to the result. */
export interface ShownPicture {
  readonly name: string;
  readonly label: string;
  readonly image: () => Promise<Image>;
  /** Of a picture that may become another one: tells them apart. */
  readonly key?: string;
}

/** A picture for the page, if there is one worth showing. */
async function drawn(draw: (() => Promise<Image>) | undefined, step: number) {
  const picture = await draw?.();
  return picture?.data.every(Number.isFinite) ? { png: encodeImage(picture), step } : undefined;
}

/** Returns the function that shows pictures that are new or have changed, and hides the others that it showed. */
function pictureShower(feed: LiveRun['feed']): (pictures: readonly ShownPicture[]) => void {
  const keys = new Map<string, string>();
  return (pictures) => {
    for (const { image, key = '', ...picture } of pictures) {
      if (keys.get(picture.name) === key) continue;
      keys.set(picture.name, key);
      feed.showPicture(picture, async () => encodeImage(await image()));
    }
    for (const gone of [...keys.keys()].filter((name) => !pictures.some((picture) => picture.name === name))) {
      keys.delete(gone);
      feed.hidePicture(gone);
    }
  };
}

export type RunPage = Awaited<ReturnType<typeof openPage>>;

/** @throws UsageError when the port is in use */
export async function openPage(
  config: Fields, { terms, result }: PageText, pictures: readonly ShownPicture[], folder: string, port: number,
  interrupt: AbortSignal,
) {
  const live = await watchRun(aboutRun(config, folder, terms), port, interrupt);
  let shown = folder;
  const show = pictureShower(live.feed);
  show(pictures);
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
      const ms = await live.between({ save, draw: () => drawn(draw, step) });
      idle += ms / 1000;
      return ms;
    },
    /** Shows these pictures next to the result, and no others. */
    show,
    /** What takes label images that are brushed, or none any more; nothing takes any when undefined. */
    paints: live.paints,
    /** What was brushed since it was asked last. */
    painted: live.painted,
    /** Shows a problem that may pass. */
    trouble: (note: string): void => live.feed.state({ status: 'starting', note }),
    /** Seconds between steps so far that were not training. */
    idle: (): number => idle,
    end: live.end,
    close: live.close,
  };
}
