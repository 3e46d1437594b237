/** A run's news: the run writes, the server and its pages read. Pictures are read only when somebody asks for them. */
import type { LossRow, PictureInfo, RunAbout, RunState, Snapshot } from './snapshot.js';

/** A change to a snapshot; `all` replaces it. */
export type FeedEvent =
  | { readonly type: 'all'; readonly data: Snapshot }
  | { readonly type: 'state'; readonly data: RunState }
  | { readonly type: 'losses'; readonly data: readonly LossRow[] }
  | { readonly type: 'picture'; readonly data: PictureInfo }
  | { readonly type: 'preview'; readonly data: number };

/** Answers with a PNG. */
export type ReadPng = () => Promise<Uint8Array>;

export interface Feed {
  snapshot(): Snapshot;
  /** Called with every change from now on; the answer ends that. */
  subscribe(listener: (event: FeedEvent) => void): () => void;
  /** How many listen now. */
  readonly listeners: number;
  /** The PNG of a picture in its present version; undefined when there is no such picture or its version is another. */
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
  /** Adds a preview; one of a step that is listed already is only read anew. */
  showPreview(step: number, read: ReadPng): void;
  /** Takes away every preview whose step is not among these. */
  keepPreviews(steps: readonly number[]): void;
  /** Forgets curves and previews: the run was begun again, or taken up further back. */
  rewind(): void;
}

const STARTING: RunState = { status: 'starting', phase: '', done: 0, total: 1 };

/** A run's feed, held in memory; pictures are read when asked for. */
export function createFeed(initial: RunAbout, start: Partial<RunState> = {}): FeedWriter {
  let about = initial;
  let state: RunState = { ...STARTING, ...start };
  let losses: LossRow[] = [];
  let epoch = 0;
  const pictures = new Map<string, { info: PictureInfo; read: ReadPng }>();
  const previews = new Map<number, ReadPng>();
  const listeners = new Set<(event: FeedEvent) => void>();

  const tell = (event: FeedEvent): void => listeners.forEach((listener) => listener(event));
  const snapshot = (): Snapshot => ({
    about,
    state,
    losses,
    pictures: [...pictures.values()].map(({ info }) => info),
    previews: [...previews.keys()].sort((a, b) => a - b),
    epoch,
  });
  const tellAll = () => tell({ type: 'all', data: snapshot() });

  return {
    snapshot,
    get listeners() {
      return listeners.size;
    },
    subscribe: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    picture: (name, version) => {
      const found = pictures.get(name);
      return found?.info.version === version ? found.read : undefined;
    },
    preview: (asked, step) => (asked === epoch ? previews.get(step) : undefined),
    about: (next) => {
      about = next;
      tellAll();
    },
    state: (change) => {
      state = { ...state, ...change };
      tell({ type: 'state', data: state });
    },
    losses: (rows) => {
      if (rows.length === 0) return;
      losses.push(...rows);
      tell({ type: 'losses', data: rows });
    },
    showPicture: (picture, read) => {
      const info = { ...picture, version: (pictures.get(picture.name)?.info.version ?? 0) + 1 };
      pictures.set(picture.name, { info, read });
      tell({ type: 'picture', data: info });
    },
    showPreview: (step, read) => {
      const isNew = !previews.has(step);
      previews.set(step, read);
      if (isNew) tell({ type: 'preview', data: step });
    },
    keepPreviews: (steps) => {
      const gone = [...previews.keys()].filter((step) => !steps.includes(step));
      for (const step of gone) previews.delete(step);
      if (gone.length > 0) tellAll();
    },
    rewind: () => {
      losses = [];
      previews.clear();
      epoch++;
      tellAll();
    },
  };
}
