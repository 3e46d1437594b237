/** The news of a run: the run writes, the server and its pages read. Pictures are read only on request. */
import type { LossRow, PictureInfo, RunAbout, RunState, Snapshot } from './snapshot.js';

/** A change to a snapshot; `all` replaces it. */
export type FeedEvent =
  | { readonly type: 'all'; readonly data: Snapshot }
  | { readonly type: 'state'; readonly data: RunState }
  | { readonly type: 'losses'; readonly data: readonly LossRow[] }
  | { readonly type: 'picture'; readonly data: PictureInfo }
  | { readonly type: 'preview'; readonly data: number };

/** Returns the bytes of a PNG. */
export type ReadPng = () => Promise<Uint8Array>;

export interface Feed {
  snapshot(): Snapshot;
  /** Calls `listener` with every change from now on; the returned function ends that. */
  subscribe(listener: (event: FeedEvent) => void): () => void;
  /** Number of current listeners. */
  readonly listeners: number;
  /** The current version of a picture; undefined when there is no such picture or it has another version. */
  picture(name: string, version: number): ReadPng | undefined;
  preview(epoch: number, step: number): ReadPng | undefined;
}

export interface FeedWriter extends Feed {
  about(about: RunAbout): void;
  state(change: Partial<RunState>): void;
  /** Rows to append. */
  losses(rows: readonly LossRow[]): void;
  /** Shows a picture, or a newer one in place of that of the same name. Versions count from 1. */
  showPicture(picture: Omit<PictureInfo, 'version'>, read: ReadPng): void;
  /** Adds a preview, or replaces the one of the same step. */
  showPreview(step: number, read: ReadPng): void;
  /** Removes all previews except those of these steps. */
  keepPreviews(steps: readonly number[]): void;
  /** Forgets curves and previews: the run was started again, or resumed at an earlier step. */
  rewind(): void;
}

/** The content of a feed. */
interface Held {
  about: RunAbout;
  state: RunState;
  losses: LossRow[];
  epoch: number;
  readonly pictures: Map<string, { readonly info: PictureInfo; readonly read: ReadPng }>;
  readonly previews: Map<number, ReadPng>;
  readonly listeners: Set<(event: FeedEvent) => void>;
}

/** A run's feed, held in memory. */
export function createFeed(about: RunAbout, start: Partial<RunState> = {}): FeedWriter {
  const state: RunState = { status: 'starting', phase: '', done: 0, total: 1, ...start };
  const held: Held = { about, state, losses: [], epoch: 0, pictures: new Map(), previews: new Map(), listeners: new Set() };
  return {
    snapshot: () => snapshotOf(held),
    get listeners() {
      return held.listeners.size;
    },
    subscribe: (listener) => {
      held.listeners.add(listener);
      return () => void held.listeners.delete(listener);
    },
    picture: (name, version) => {
      const found = held.pictures.get(name);
      return found?.info.version === version ? found.read : undefined;
    },
    preview: (epoch, step) => (epoch === held.epoch ? held.previews.get(step) : undefined),
    ...writer(held),
  };
}

const snapshotOf = ({ about, state, losses, pictures, previews, epoch }: Held): Snapshot => ({
  about,
  state,
  losses,
  pictures: [...pictures.values()].map(({ info }) => info),
  previews: [...previews.keys()].sort((a, b) => a - b),
  epoch,
});

function writer(held: Held): Omit<FeedWriter, keyof Feed> {
  const { pictures, previews, listeners } = held;
  const emit = (event: FeedEvent): void => listeners.forEach((listener) => listener(event));
  const change = (next: Partial<Held>): void => {
    Object.assign(held, next);
    emit({ type: 'all', data: snapshotOf(held) });
  };
  return {
    about: (about) => change({ about }),
    state: (next) => {
      held.state = { ...held.state, ...next };
      emit({ type: 'state', data: held.state });
    },
    losses: (rows) => {
      if (rows.length === 0) return;
      held.losses.push(...rows);
      emit({ type: 'losses', data: rows });
    },
    showPicture: (picture, read) => {
      const info = { ...picture, version: (pictures.get(picture.name)?.info.version ?? 0) + 1 };
      pictures.set(picture.name, { info, read });
      emit({ type: 'picture', data: info });
    },
    showPreview: (step, read) => {
      const isNew = !previews.has(step);
      previews.set(step, read);
      if (isNew) emit({ type: 'preview', data: step });
    },
    keepPreviews: (steps) => {
      const gone = [...previews.keys()].filter((step) => !steps.includes(step));
      for (const step of gone) previews.delete(step);
      if (gone.length > 0) change({});
    },
    rewind: () => {
      previews.clear();
      change({ losses: [], epoch: held.epoch + 1 });
    },
  };
}
