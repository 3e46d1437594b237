/** What the command line needs of the training loop. */
import type { Engine } from '../engine/index.js';
import type { Image } from '../model/image.js';
import type { Losses, SpliceOptions } from '../model/options.js';
import type { VitModel, Weight } from '../model/vit/config.js';

export interface SpliceRun {
  /** Steps done so far, warm start not counted. */
  readonly stepsDone: number;
  /** Submits one step (a warm-start step while those last) without waiting for the GPU; `step` counts from 0 in each phase. */
  step(): Promise<{ phase: 'warm-start' | 'train'; step: number }>;
  /** Losses of the last submitted step. */
  losses(): Promise<Losses>;
  /** The whole structure image through the generator, at its own size. */
  result(): Promise<Image>;
  /** Generator parameters under their names. */
  weights(): Promise<Map<string, Weight>>;
  /** Waits for the GPU and throws what went wrong. */
  sync(): Promise<void>;
  destroy(): void;
}

export type StartSplice = (engine: Engine, vit: VitModel, structure: Image, appearance: Image, options: SpliceOptions) => Promise<SpliceRun>;
