/** What the page and its worker tell each other. */
import type { StepLosses } from '../../../model/training/run.js';
import type { Choosable } from '../../../model/training/sizes.js';
import type { Brushed } from '../../watch/page/labels.js';

/** A ViT of models.json by its name, or a file of the user's own, with its .json if there is one. */
export type ModelChoice = { readonly name: string } | { readonly file: File; readonly sidecar?: File };

/** The two photos, as files. */
export interface PhotoFiles {
  readonly structure: Blob;
  readonly appearance: Blob;
}

/** Everything that decides a run. */
export interface Job extends PhotoFiles {
  readonly model: ModelChoice;
  /** Shorter side of both photos in training. */
  readonly size: number;
  readonly vitSize: number;
  readonly steps: number;
  readonly warmStart: number;
  readonly seed: number;
  readonly checkpointing: boolean;
  /** The published method, without what steadies. */
  readonly published: boolean;
  /** The picture at the end gets the structure photo's size, with detail of both photos. */
  readonly detail: boolean;
  /** Size, steps and what else is to choose are measured to end in time; those of the job are for its check. */
  readonly fit?: Fit;
}

export interface Fit {
  readonly minutes: number;
  readonly choose: readonly Choosable[];
}

/** What was chosen by measuring. */
export type Fitted = Pick<Job, 'size' | 'vitSize' | 'steps'> & { readonly secondsPerStep: number };

/** A model that comes with the page; models.json is a list of these. */
export interface OfferedModel {
  readonly name: string;
  readonly file: string;
  readonly sha256: string;
  readonly bytes: number;
  /** Of its sidecar. */
  readonly settings: object;
  /** Advice about results made with it. */
  readonly note?: string;
}

/** What may take long, done one after the other. */
export type Work =
  /** `ask`: memory and sizes. `measure`: a few steps besides, for the time. */
  | { readonly type: 'ask' | 'measure' | 'start'; readonly job: Job }
  /** A run as a file, or without one the last run of this browser; `model` is for weights that do not come with the page. */
  | { readonly type: 'open'; readonly file?: Blob; readonly model?: ModelChoice }
  /** With the run that is open, to so many steps. */
  | { readonly type: 'goOn'; readonly steps: number };

/** What is obeyed between two steps; `pack`: the run as a file; `brush`: regions, from the next step on. */
export type Command =
  | { readonly type: 'pause' | 'resume' | 'stop' | 'pack' }
  | { readonly type: 'brush'; readonly brushed: Brushed };

export type Order = Work | Command;

/** RGBA, ready for a canvas. */
export interface Shown {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8ClampedArray<ArrayBuffer>;
}

export type News =
  /** The answer to `ask`; `refusal` says why the run cannot be made, and what to change. */
  | { readonly type: 'plan'; readonly memory?: string; readonly device?: string; readonly refusal?: string }
  | { readonly type: 'measured'; readonly seconds: number }
  /** Before the start of a run that is to end in time. */
  | { readonly type: 'fitted'; readonly found: Fitted }
  /** What takes long beside the steps; nothing any more, without it. */
  | { readonly type: 'busy'; readonly what?: string }
  /** The photos as they are trained on. */
  | { readonly type: 'photos'; readonly structure: Shown; readonly appearance: Shown }
  | { readonly type: 'step'; readonly done: number; readonly total: number; readonly phase: string; readonly speed?: number }
  | { readonly type: 'losses'; readonly entry: StepLosses }
  /** `photo`: the structure photo at the size of a picture with detail. */
  | { readonly type: 'picture'; readonly picture: Shown; readonly step: number; readonly photo?: Shown }
  | { readonly type: 'status'; readonly status: 'paused' | 'running' | 'stopping' | 'finished' | 'stopped' }
  /** A run is open: what it is, and how far. */
  | {
    readonly type: 'opened';
    readonly job: Omit<Job, keyof PhotoFiles | 'model' | 'detail' | 'fit'>;
    readonly done: number;
    readonly brushed?: Brushed;
  }
  | { readonly type: 'file'; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly type: 'note'; readonly text: string }
  | { readonly type: 'failed'; readonly text: string };
