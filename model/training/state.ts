/** A run's state between two steps, as it is kept and taken up again. */
import type { Setting } from '../method/steps.js';

/**
 * All that a run is at some moment, beside its photos, ViT and options. Random draws depend on seed and step only, so the
 * counters stand for their state.
 */
export interface RunState {
  readonly warmStepsDone: number;
  readonly stepsDone: number;
  /** Optimiser steps in all: those of the warm start and of whole images counted in. */
  readonly updates: number;
  /** The trained parameters one after the other, and Adam's moments of them. */
  readonly weights: Float32Array;
  readonly momentum: Float32Array;
  readonly variance: Float32Array;
  /** The moving average of the parameters, of runs that keep one. */
  readonly average?: Float32Array;
  /** Of the last step: structure, appearance, identity, total. NaN where there is none. */
  readonly losses: Float32Array;
}

/** @throws Error when a state is not of this generator, or has made steps that the options do not have */
export function checkState({ layout, options }: Setting, { weights, momentum, variance, average = weights, losses, warmStepsDone, stepsDone }: RunState): void {
  if ([weights, momentum, variance, average].some(({ length }) => length !== layout.size) || losses.length !== 4) {
    throw new Error(`state: ${weights.length}, ${momentum.length} and ${variance.length} values and ${losses.length} losses, this generator has ${layout.size} and 4`);
  }
  if (warmStepsDone > options.warmStart || (stepsDone > 0 && warmStepsDone < options.warmStart)) {
    throw new Error(`state: ${warmStepsDone} steps of warm start and ${stepsDone} behind it, the options have a warm start of ${options.warmStart}`);
  }
}
