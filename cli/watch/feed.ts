/** The news of a run: the run writes, the server and its pages read. Pictures are read only on request. */
import { halved, thinned } from './page/thin.js';
import {
  after, picturePath, previewPath,
  type FeedEvent, type FigureRow, type LossRow, type PictureInfo, type RunAbout, type RunState, type Snapshot,
} from './snapshot.js';

/** Returns the bytes of a PNG. */
export type ReadPng = () => Promise<Uint8Array>;

export interface Feed {
  snapshot(): Snapshot;
  /** Calls `listener` with every change from now on; the returned function stops the calls. */
  subscribe(listener: (event: FeedEvent) => void): () => void;
  readonly listeners: { readonly size: number };
  /** The PNG at `picturePath` or `previewPath`; undefined when there is none, or only another version. */
  png(path: string): ReadPng | undefined;
}

export interface FeedWriter extends Feed {
  about(about: RunAbout): void;
  state(change: Partial<RunState>): void;
  /** Rows to append. */
  losses(rows: readonly LossRow[]): void;
  /** All rows so far. */
  figures(rows: readonly FigureRow[]): void;
  /** Shows a picture, or a newer one in place of that of the same name. Versions count from 1. */
  showPicture(picture: Omit<PictureInfo, 'version'>, read: ReadPng): void;
  /** Removes a picture. */
  hidePicture(name: string): void;
  /** Adds a preview, or replaces the one of the same step. */
  showPreview(step: number, read: ReadPng): void;
  /** Removes all previews except those of these steps. */
  keepPreviews(steps: readonly number[]): void;
  /** Steps after which a branch can begin: all of them. */
  branches(steps: readonly number[]): void;
  /** Forgets curves, figures and previews: the run was started again, or resumed at an earlier step. */
  rewind(): void;
}

/** The part of a feed that shows pictures by name. */
function namedPictures(
  snapshot: () => Snapshot, pngs: Map<string, ReadPng>, emit: (event: FeedEvent) => void,
): Pick<FeedWriter, 'showPicture' | 'hidePicture'> {
  const versions = new Map<string, number>();
  const forget = (named: string): void =>
    snapshot().pictures.filter(({ name }) => name === named).forEach((old) => pngs.delete(picturePath(old)));
  return {
    showPicture: (picture, read) => {
      forget(picture.name);
      const info = { ...picture, version: (versions.get(picture.name) ?? 0) + 1 };
      versions.set(info.name, info.version);
      pngs.set(picturePath(info), read);
      emit({ type: 'picture', data: info });
    },
    hidePicture: (hidden) => {
      forget(hidden);
      const run = snapshot();
      emit({ type: 'all', data: { ...run, pictures: run.pictures.filter(({ name }) => name !== hidden) } });
    },
  };
}

/** A run's feed, held in memory. */
export function createFeed(about: RunAbout, start: Partial<RunState> = {}): FeedWriter {
  const state: RunState = { status: 'starting', phase: '', done: 0, total: 1, ...start };
  let run: Snapshot = { about, state, losses: [], figures: [], pictures: [], previews: [], branches: [], epoch: 0 };
  const pngs = new Map<string, ReadPng>();
  const listeners = new Set<(event: FeedEvent) => void>();
  const emit = (event: FeedEvent): void => {
    run = after(run, event);
    for (const listener of listeners) listener(event);
  };
  const change = (parts: Partial<Snapshot>): void => emit({ type: 'all', data: { ...run, ...parts } });
  const forget = (steps: readonly number[]): void => steps.forEach((step) => pngs.delete(previewPath(run.epoch, step)));
  return {
    snapshot: () => run,
    subscribe: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    listeners,
    png: (path) => pngs.get(path),
    about: (next) => change({ about: next }),
    state: (next) => emit({ type: 'state', data: { ...run.state, ...next } }),
    losses: (rows) => {
      if (rows.length > 0) emit({ type: 'losses', data: thinned(rows) });
    },
    figures: (rows) => emit({ type: 'figures', data: halved(rows) }),
    ...namedPictures(() => run, pngs, emit),
    showPreview: (step, read) => {
      pngs.set(previewPath(run.epoch, step), read);
      if (!run.previews.includes(step)) emit({ type: 'preview', data: step });
    },
    keepPreviews: (steps) => {
      const gone = run.previews.filter((step) => !steps.includes(step));
      forget(gone);
      if (gone.length > 0) change({ previews: run.previews.filter((step) => !gone.includes(step)) });
    },
    branches: (steps) => {
      if (steps.join() !== run.branches.join()) change({ branches: steps });
    },
    rewind: () => {
      forget(run.previews);
      change({ losses: [], figures: [], previews: [], epoch: run.epoch + 1 });
    },
  };
}
