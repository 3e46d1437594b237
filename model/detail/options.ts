/** Options of detail at full size. */

export interface DetailOptions {
  /** 0 adds nothing, 1 the most; by default less the larger the trained result is, since less is missing: see `amountFor`. */
  readonly amount?: number;
  /** Weight of the structure's detail; from the amount by default. */
  readonly gain?: number;
  /** Weight of the appearance's texture; from the amount by default. */
  readonly texture?: number;
  /** Pixels of the trained result per pixel of the band below which nothing changes: more than 1 if the result is blurred. */
  readonly band: number;
  /** Radius of the guided filter's windows, in pixels of that band. */
  readonly radius: number;
  /** The guided filter's regularisation, a variance of colours in 0..1: detail below it counts less. */
  readonly eps: number;
  /** Patches of the appearance that a region of the picture is compared with. */
  readonly keys: number;
  /** Side in pixels of the tiles in which the picture is put together; it bounds memory and changes nothing else. */
  readonly tile: number;
}

export const defaultDetail: DetailOptions = { band: 1, radius: 4, eps: 1e-3, keys: 4096, tile: 512 };

/**
 * 0.6 for a trained result with a shorter side of 128 pixels, half of that for 256, from 0.25 to 1. With more of the structure
 * photo's detail a judge sees less of the appearance.
 */
export const amountFor = (side: number): number => Math.min(1, Math.max(0.25, 76.8 / side));

/** Weights of structure and texture: texture has all of its own from half of the amount on. @throws RangeError outside 0..1 */
export function detailWeights(side: number, { amount = amountFor(side), gain, texture }: Partial<DetailOptions>) {
  if (!(amount >= 0 && amount <= 1)) throw new RangeError(`detail: the amount must be from 0 to 1, got ${amount}`);
  return { gain: gain ?? amount, texture: texture ?? Math.min(1, 2 * amount) };
}
