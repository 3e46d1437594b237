/** `--size auto`: sizes and number of steps that suit the device, chosen before the start and kept in config.json. */
import type { DeviceFacts } from '../gpu/device.js';
import type { Size } from '../photos/photo.js';

/** What can be left to the program. */
export const CHOOSABLE = ['size', 'vitSize', 'steps'] as const;
export type Choosable = (typeof CHOOSABLE)[number];

/** Shorter side of the photos, absent for their own size; shorter side of the ViT's input; optimiser steps. */
export interface Choice {
  readonly size?: number;
  readonly vitSize: number;
  readonly steps: number;
}

/** A pair and its ViT, and what a training of them would need at a choice. */
export interface PairFacts {
  readonly photos: readonly Size[];
  /** Side of the ViT's patches. */
  readonly patch: number;
  /** Shorter side of the wanted result; the photo's own when absent. */
  readonly outputSize?: number;
  /** Bytes in all, and of the largest tensor. */
  memory(choice: Choice): { readonly total: number; readonly largest: number };
  /** Floating-point operations of a step. */
  flops(choice: Choice): number;
}

/** Larger photos are trained on at this size; the detail step brings the result to theirs. */
const LARGEST = 512;
/** On a software adapter: fine enough for the layout, and fast enough for hundreds of steps. */
const SOFTWARE_LARGEST = 128;
/** Below this the generator cannot crop. */
export const SMALLEST = 35;
/** Patches along the shorter side of the ViT's input on a software adapter, as many as the published ViT-S/16 sees. */
const SOFTWARE_PATCHES = 14;
/** What one core of a software adapter computes in a second. */
const CORE_FLOPS = 15e9;
const SOFTWARE_SECONDS = 240;
const [FEWEST_STEPS, MOST_STEPS] = [200, 1000];

/**
 * Chooses what is in `choose` and takes the rest from `given`. The same facts give the same choice: nothing is measured.
 * A photo is never enlarged.
 */
export function chooseFor(choose: readonly Choosable[], given: Choice, device: DeviceFacts, pair: PairFacts): Choice {
  const { software, cores } = device;
  const isFree = (name: Choosable): boolean => choose.includes(name);
  const vitSize = isFree('vitSize') ? softwareVitSize(given.vitSize, device, pair) : given.vitSize;
  const size = sizesFor(given, vitSize, device, pair, software ? SOFTWARE_LARGEST : LARGEST)[0]!;
  const sized = isFree('size') ? { ...given, vitSize, size } : { ...given, vitSize };
  if (!isFree('steps') || !software) return sized;
  const affordable = (SOFTWARE_SECONDS * CORE_FLOPS * cores) / pair.flops(sized);
  const steps = Math.min(MOST_STEPS, Math.max(FEWEST_STEPS, 50 * Math.round(affordable / 50)));
  return { ...sized, steps: Math.min(given.steps, steps) };
}

/** The shorter side of the ViT's input: smaller on a software adapter. */
export const softwareVitSize = (vitSize: number, { software }: DeviceFacts, { patch }: PairFacts): number =>
  (software ? Math.min(vitSize, SOFTWARE_PATCHES * patch) : vitSize);

/** Sizes that fit the device, largest first. When none fits, the smallest, whose start says what is missing. */
export function sizesFor(
  given: Choice, vitSize: number, { memory, largestBinding }: DeviceFacts, pair: PairFacts, largest = LARGEST,
): readonly number[] {
  const sides = pair.photos.map(({ width, height }) => Math.min(width, height));
  const most = Math.min(...sides, pair.outputSize ?? Infinity, largest);
  const fits = (size: number): boolean => {
    const need = pair.memory({ ...given, vitSize, size });
    return need.total <= memory && need.largest <= largestBinding;
  };
  const smaller = [448, 384, 320, 256, 224, 192, 160, 128, 96, 64, SMALLEST].filter((size) => size < most);
  const fitting = [most, ...smaller].filter(fits);
  return fitting.length > 0 ? fitting : [smaller.at(-1) ?? most];
}

/**
 * Lines for people: what was chosen and why, and what else there is. Empty when nothing was.
 * @param warmStart steps before those of the choice, which cost half as much
 */
export function describeChoice(
  choose: readonly Choosable[], { size, vitSize, steps }: Choice, warmStart: number, { software, cores }: DeviceFacts,
  flops: number,
): string[] {
  const values = { size: `--size ${size}`, vitSize: `--vit-size ${vitSize}`, steps: `--steps ${steps}` };
  const chosen = choose.filter((name) => software || name === 'size').map((name) => values[name]);
  if (chosen.length === 0) return [];
  if (!software) return [`chosen for this GPU and these photos: ${chosen.join(' ')}`];
  const minutes = Math.ceil(((steps + warmStart / 2) * flops) / (60 * CORE_FLOPS * cores));
  return [
    `chosen for a software adapter (no GPU) on ${cores} cores: ${chosen.join(' ')}, a first picture in some ${minutes} min`,
    `a GPU would train at up to ${LARGEST} pixels for thousands of steps; here, more --steps bring the look nearer`,
  ];
}
