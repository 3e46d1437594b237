/** The differences between trainings. Everything else about a run in a folder is in run.ts and stretch.ts. */
import type { Dtype, Tensor } from '../../engine/index.js';
import type { Image } from '../../model/image.js';
import type { LoopPlan } from '../../model/training/loop.js';
import type { GraphMaker } from '../../model/training/memoryNeed.js';
import type { StepInfo, StepLosses, TrainingRun, TrainingState } from '../../model/training/run.js';
import type { PageText } from './about.js';
import type { Checkpoint, Identity } from './checkpoints.js';
import type { Fields, TrainingName } from './config.js';
import type { PictureRow } from './figures.js';
import type { RunFolder } from './folder.js';
import type { Painted, ShownPicture } from './page.js';
import type { OpenedEngine } from './parts.js';

/** Outputs of programs that are not compiled yet. */
export type Graphs = readonly Readonly<Record<string, Tensor>>[];

/** The heaviest programs in graphs that `graph` makes, those of the device that they are for. */
export type GraphsFor = (graph: GraphMaker) => Promise<Graphs>;

/** What calibration takes: the options of the command, as JSON, and its heaviest programs. */
interface Tuned {
  readonly options: object;
  readonly graphs: GraphsFor;
}

/** The part of a training that --no-tune leaves out. */
export const tuned = (options: { readonly tune?: boolean }, graphs: Tuned['graphs']): Pick<Training, 'tune'> =>
  (options.tune === false ? {} : { tune: { options, graphs } });

/** Inputs are read and checked when this exists; nothing is created yet. */
export interface Training {
  /** The command that starts and resumes it. */
  readonly command: TrainingName;
  readonly plan: LoopPlan;
  /** Whether the checkpoint after so many steps is kept for good; absent: none is. */
  readonly keepsAt?: (steps: number) => boolean;
  readonly identity: Identity;
  /** Paths of photos and weights, by their names in the identity. */
  readonly sources: Readonly<Record<string, string>>;
  /** Paths of what it reads, which a new run must not remove from its folder. */
  readonly inputs: readonly string[];
  /** Its part of config.json: all that it takes to repeat the run. */
  readonly config: Fields;
  readonly page: PageText;
  /** Pictures that the page shows next to the result. */
  readonly pictures: readonly ShownPicture[];
  /** Says why a run with these figures ends before its last step, undefined while it goes on. */
  readonly until?: (figures: readonly PictureRow[]) => string | undefined;
  /** Title of losses.svg. */
  readonly title: string;
  /** The cause of its memory need, and the options that need less, in words. */
  readonly memory: { readonly use: string; readonly remedy: string };
  /** The file in the folder that the training is for. */
  readonly product: string;
  /** Of the ViT; absent: f32. */
  readonly precision?: Dtype;
  /** Absent: the kernels are the usual ones. */
  readonly tune?: Tuned;
  /** Prepares the run on a device, from the beginning or from a state. */
  readonly start: (at: Start) => Promise<Session>;
  /** The training as it was when a checkpoint in `folder` was written; absent where it does not change on its page. */
  readonly asIn?: (checkpoint: Checkpoint, folder: string) => Promise<Training>;
}

/** What a training becomes when its regions are brushed. */
export interface Repainted {
  readonly training: Training;
  /** Trains with them from the next step on; false, and nothing changes, where they take another program. */
  take(): boolean;
}

/** The starting point of a session. */
export interface Start extends Pick<OpenedEngine, 'engine' | 'adapter'> {
  readonly folder: RunFolder;
  readonly from?: TrainingState;
  /** Prints a line that stays. */
  readonly note: (text: string) => void;
}

/** A moment in which a run's results are written. */
export interface Moment {
  readonly phase: StepInfo['phase'];
  /** Steps done, without the warm start. */
  readonly steps: number;
  /** A user asked for it. */
  readonly asked: boolean;
  /** The run ends here, finished or interrupted. */
  readonly last: boolean;
}

/** The end of a run's steps. */
export interface Ending {
  /** All steps are done; otherwise the run was interrupted. */
  readonly complete: boolean;
  /** Interrupts the work. */
  readonly signal: AbortSignal;
  /** To be called now and then with the share of the work that is done, 0 to 1. @throws what `signal` is aborted with */
  readonly onProgress: (share: number, what: string) => void;
}

/** A training on one device. */
export interface Session {
  readonly run: TrainingRun;
  /** Lines about what is trained on what. */
  readonly notes: readonly string[];
  /**
   * Computes the results as they are now. The returned function writes them, before the next step is made, and returns a new
   * picture for the page, if there is one. @throws NonFiniteError when values are not finite
   */
  keep(moment: Moment): Promise<() => Promise<Image | undefined>>;
  /** Figures of such a picture, for figures.jsonl; absent where pictures are not measured. */
  measure?(picture: Image): Readonly<Record<string, number>>;
  /**
   * The work on the results after the last step, whose checkpoint is written: it may take long, and a resume does it again.
   * Returns whether it was done to its end. @throws what `keep` throws
   */
  finish?(ending: Ending): Promise<boolean>;
  /** A picture for the page between two saves; absent where one takes long. */
  draw?(): Promise<Image>;
  /** The training with regions brushed on its page, or with none; absent where it takes none. @throws InputError */
  repaint?(painted: Painted | undefined): Promise<Repainted>;
  /** Further fields of the summary. */
  summary?(log: readonly StepLosses[]): object;
  /** Releases what was made besides the run. */
  destroy?(): void;
}
