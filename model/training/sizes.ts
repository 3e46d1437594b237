/** Sizes of a training that suit a device and two photos. Nothing is measured: the same facts give the same sizes. */

/** What can be left to the program. */
export const CHOOSABLE = ['size', 'vitSize', 'steps'] as const;
export type Choosable = (typeof CHOOSABLE)[number];

/** Shorter side of the photos, absent for their own size; shorter side of the ViT's input; optimiser steps. */
export interface Choice {
  readonly size?: number;
  readonly vitSize: number;
  readonly steps: number;
}

/** A device, as far as sizes depend on it. */
export interface Room {
  readonly software: boolean;
  /** Bytes that a run may take. */
  readonly memory: number;
  /** Bytes of the largest buffer that a kernel can read. */
  readonly largestBinding: number;
}

/** In bytes. WebGPU does not tell the memory of a GPU: this much every one has that is made for more than a screen. */
export const GPU_MEMORY = 4 * 2 ** 30;

/** In pixels. */
export interface PhotoSize {
  readonly width: number;
  readonly height: number;
}

/** A pair and its ViT, and what a training of them would need at a choice. */
export interface PairFacts {
  readonly photos: readonly PhotoSize[];
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
export const LARGEST = 512;
/** Below this the generator cannot crop. */
export const SMALLEST = 35;
/** Patches along the shorter side of the ViT's input on a software adapter, as many as the published ViT-S/16 sees. */
const SOFTWARE_PATCHES = 14;

/** The shorter side of the ViT's input: smaller on a software adapter. */
export const softwareVitSize = (vitSize: number, { software }: Room, { patch }: PairFacts): number =>
  (software ? Math.min(vitSize, SOFTWARE_PATCHES * patch) : vitSize);

/** Sizes that fit the device, largest first. When none fits, the smallest, whose start says what is missing. */
export function sizesFor(
  given: Choice, vitSize: number, { memory, largestBinding }: Room, pair: PairFacts, largest = LARGEST,
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
