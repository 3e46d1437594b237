/** The state of a run, its changes and its addresses, as the server sends them to the page; both sides import this file. */
import { thinned } from './page/thin.js';

/** The page's buttons. */
export const COMMANDS = ['pause', 'resume', 'stop', 'save'] as const;
export type CommandName = (typeof COMMANDS)[number];

/** `running` until a command changes it; the last four are final. */
export type RunStatus = 'starting' | 'running' | 'paused' | 'stopping' | 'finished' | 'interrupted' | 'failed' | 'gone';

export const isOver = (status: RunStatus): boolean => ['finished', 'interrupted', 'failed', 'gone'].includes(status);

/** The facts that do not change during a run. */
export interface RunAbout {
  readonly title: string;
  /** Names and values for people: recipe, seed, device. */
  readonly facts: readonly (readonly [name: string, value: string])[];
  /** Names of the curves, the most important first. */
  readonly terms: readonly string[];
  /** The command that shows this run again. */
  readonly again: string;
  /** The command that resumes an interrupted run. */
  readonly goOn?: string;
  /** The command that begins a branch, with STEP for the step; absent where there are none. */
  readonly branch?: string;
  /** The command that makes the picture of a strength at a run's end, with STRENGTH for it; absent where there are none. */
  readonly strength?: string;
  /** Whether regions may be brushed now; absent: no. */
  readonly brush?: boolean;
}

export interface RunState {
  readonly status: RunStatus;
  /** Such as `warm start` or `training`. */
  readonly phase: string;
  /** Steps done of `total`, over all phases. */
  readonly done: number;
  readonly total: number;
  /** Unknown until the first steps are done, and during a pause. */
  readonly stepsPerSecond?: number | undefined;
  readonly secondsLeft?: number | undefined;
  /** Of a run that is over. */
  readonly secondsTaken?: number | undefined;
  /** A sentence, such as the reason of a failure. */
  readonly note?: string | undefined;
}

/** A step and its value of every term, in the order of `terms`; null for a value that is not finite. */
export type LossRow = readonly [step: number, ...values: (number | null)[]];

/** The figures of the picture saved after `step` steps, by name; null for a value that is not finite. */
export type FigureRow = { readonly step: number } & Readonly<Record<string, number | null>>;

/** A picture that is shown large. `version` changes with its content; `step` is the step that it shows. */
export interface PictureInfo {
  readonly name: string;
  readonly label: string;
  readonly version: number;
  readonly step?: number;
}

/** Names of pictures with a meaning for the page; the others are shown as they come. */
export const PICTURES = {
  /** The newest result. */
  result: 'result',
  structure: 'structure',
  /** The structure photo at the size of a result with detail, which is finer than what is shown of it. Not shown itself. */
  fine: 'fine-structure',
  /** Label images, shown on the photos. */
  structureRegions: 'structure-regions',
  appearanceRegions: 'appearance-regions',
} as const;

/** Everything a page shows except the pictures themselves. */
export interface Snapshot {
  readonly about: RunAbout;
  readonly state: RunState;
  /** Thinned where there are thousands. */
  readonly losses: readonly LossRow[];
  /** Of the saves so far, thinned where there are hundreds; empty where pictures are not measured. */
  readonly figures: readonly FigureRow[];
  readonly pictures: readonly PictureInfo[];
  /** Steps with a preview, ascending. */
  readonly previews: readonly number[];
  /** Steps after which a branch can begin, ascending. */
  readonly branches: readonly number[];
  /** Increases whenever curves and previews are forgotten: the preview of a step is another picture then. */
  readonly epoch: number;
}

/** A change to a snapshot; `all` replaces it, `figures` replaces all rows. */
export type FeedEvent =
  | { readonly type: 'all'; readonly data: Snapshot }
  | { readonly type: 'state'; readonly data: RunState }
  | { readonly type: 'losses'; readonly data: readonly LossRow[] }
  | { readonly type: 'figures'; readonly data: readonly FigureRow[] }
  | { readonly type: 'picture'; readonly data: PictureInfo }
  | { readonly type: 'preview'; readonly data: number };

/** The snapshot after an event. */
export function after(run: Snapshot, { type, data }: FeedEvent): Snapshot {
  if (type === 'all') return data;
  if (type === 'state') return { ...run, state: data };
  if (type === 'losses') return { ...run, losses: thinned([...run.losses, ...data]) };
  if (type === 'figures') return { ...run, figures: data };
  if (type === 'preview') return { ...run, previews: [...run.previews, data].sort((a, b) => a - b) };
  const { pictures } = run;
  const isKnown = pictures.some(({ name }) => name === data.name);
  return { ...run, pictures: isKnown ? pictures.map((old) => (old.name === data.name ? data : old)) : [...pictures, data] };
}

/** Addresses of PNGs below that of the page. */
export const picturePath = ({ name, version }: PictureInfo): string => `picture/${name}/${version}`;
/** The newest version's address, where `path` is the address of an older version of one of `pictures`. */
export function newerPath(pictures: readonly PictureInfo[], path: string): string | undefined {
  const version = Number(/[1-9]\d{0,8}$/.exec(path)?.[0]);
  const newest = pictures.find((info) => version < info.version && picturePath({ ...info, version }) === path);
  return newest && picturePath(newest);
}

export const previewPath = (epoch: number, step: number): string => `preview/${epoch}/${step}`;
