/** The common form of every training: steps, losses by name, and a state between two steps from which it continues. */
import type { MemoryNeed } from './memoryNeed.js';

/** Part of a run that a step belongs to, and its number there, from 0. */
export interface StepInfo {
  readonly phase: 'warm-start' | 'train';
  readonly step: number;
}

/** A step's losses and other figures, by name: one line of the log. */
export type StepLosses = { readonly step: number } & Readonly<Record<string, number>>;

/** Names of a step's terms. The one to watch comes first: the total, or else the first of all. */
export const termsOf = ({ step: _, ...terms }: StepLosses): string[] =>
  Object.keys(terms).sort((a, b) => Number(b === 'total') - Number(a === 'total'));

/** A run at one moment, without photos, models and options. Random draws depend on seed and counters, so have no state. */
export interface TrainingState {
  readonly counters: Readonly<Record<string, number>>;
  readonly arrays: ReadonlyMap<string, Float32Array>;
}

/** Steps of a state, those of the warm start included. */
export const stepsIn = ({ counters: { warmStepsDone = 0, stepsDone = 0 } }: TrainingState): number =>
  warmStepsDone + stepsDone;

/** Steps are submitted without waiting for the GPU. */
export interface TrainingRun {
  /** Steps of the warm start done so far. */
  readonly warmStepsDone: number;
  /** Steps done so far, without those of the warm start. */
  readonly stepsDone: number;
  /** Bytes of device memory that the run takes at most. */
  readonly memory: MemoryNeed;
  /** Submits the next step: of the warm start first, then of the training. */
  readonly step: () => Promise<StepInfo>;
  /** Losses of the last submitted step. */
  readonly losses: () => Promise<StepLosses>;
  /** A copy of the state. A run that starts from it computes the same bits as one that was never interrupted. */
  readonly state: () => Promise<TrainingState>;
  /** Waits for the GPU. @throws any error of the device since the last call */
  readonly sync: () => Promise<void>;
  readonly destroy: () => void;
}
