/** A training in a folder, and the stretches of it that are made on one device each. */
import type { StepLosses } from '../../model/training/run.js';
import type { Progress } from '../shared/progress.js';
import type { Checkpoint } from './checkpoints.js';
import type { Fields } from './config.js';
import type { RunFolder } from './folder.js';
import type { RunPage } from './page.js';
import type { Parts } from './parts.js';
import type { Session, Training } from './training.js';

/** A training in a folder. */
export interface Job {
  /** The summary is JSON. */
  readonly json: boolean;
  /** Leaves out the lines about what is trained on what. */
  readonly brief?: boolean;
  /** Steps that other runs of the same command take as well, which the time told includes. Absent: part of a run tells none. */
  readonly stepsOfOthers?: number;
  readonly training: Training;
  /** Its training, or what that has become on its page. */
  readonly current: { training: Training };
  readonly folder: RunFolder;
  readonly parts: Parts;
  readonly progress: Progress;
  readonly page: RunPage | undefined;
}

/** A stretch of training on one device. */
export interface Stretch extends Job {
  readonly session: Session;
  readonly from: Checkpoint | undefined;
  /** config.json without status. */
  readonly record: () => Fields;
  readonly log: StepLosses[];
  /** Training time so far, that of earlier stretches included and pauses left out. */
  readonly seconds: () => number;
}

/** Ends a stretch: the run continues from its checkpoint, with another program. */
export class OtherProgram extends Error {}

/** Replaces the current training. The plan stays that of the job, which may end before all steps are done. */
export const become = (current: Job['current'], training: Training): void => {
  current.training = { ...training, plan: current.training.plan };
};
