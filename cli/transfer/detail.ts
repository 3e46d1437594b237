/** Detail of the photos in a picture that a generator made of them at a smaller size. */
import type { Engine } from '../../engine/index.js';
import { amountFor, detailWeights } from '../../model/detail/options.js';
import type { Image } from '../../model/image.js';
import type { VitModel } from '../../model/vit/config.js';
import { triptych } from '../photos/grid.js';
import { atMost, shorterSide, type Photo, type Size } from '../photos/photo.js';
import type { Parts } from '../run/parts.js';
import type { Strength } from './output.js';

export interface DetailJob {
  /** At the size that the generator saw. */
  readonly result: Image;
  readonly structure: Photo;
  /** Without it there is no texture. */
  readonly appearance: Photo | undefined;
  /** Size of the picture with detail. */
  readonly target: Size;
  readonly strength: Strength;
  /** The ViT on the device and the side of its input: parts of the result get the texture of what it says they match. */
  readonly seeing?: { readonly vit: VitModel; readonly vitSize: number };
}

/** A picture with detail, and what was added. */
export interface Fine {
  readonly picture: Image;
  readonly detail: {
    readonly amount: number;
    /** Weights of the structure photo's detail and of the appearance photo's texture. */
    readonly gain: number;
    readonly texture: number;
    /** Sizes before and after. */
    readonly from: readonly [width: number, height: number];
    readonly to: readonly [width: number, height: number];
  };
}

/** The photos are decoded again, each at the size that the result needs. @throws what `onProgress` throws */
export async function withDetail(
  engine: Engine, { addDetail, tokenMatches }: Pick<Parts, 'addDetail' | 'tokenMatches'>, job: DetailJob,
  onProgress?: (share: number) => void,
): Promise<Fine> {
  const { result, structure, appearance, target, strength, seeing } = job;
  onProgress?.(0);
  const side = shorterSide(target);
  const photo = await structure.again({ shorterSide: side });
  const look = await appearance?.again({ atMost: side });
  const matches = appearance && seeing
    && await tokenMatches(engine, seeing.vit, structure.image, appearance.image, seeing.vitSize);
  const amount = strength === 'auto' ? Number(amountFor(shorterSide(result)).toFixed(3)) : strength;
  const weights = detailWeights(shorterSide(result), { amount, ...(!look && { texture: 0 }) });
  const picture = await addDetail(engine, { structure: photo, result, appearance: look ?? photo, matches }, weights, onProgress);
  return { picture, detail: { amount, ...weights, from: [result.width, result.height], to: [picture.width, picture.height] } };
}

/** A triptych of large pictures is for viewing. */
const TRIPTYCH_HEIGHT = 1024;

/** Structure, result and appearance; if `isFine`, the photos as fine as the result, and all not higher than a screen. */
export async function viewingTriptych(
  [structure, appearance]: readonly [Photo, Photo], result: Image, isFine: boolean,
): Promise<Image> {
  if (!isFine) return triptych(structure.image, result, appearance.image);
  const shown = await atMost(result, { height: TRIPTYCH_HEIGHT });
  const reading = { atMost: TRIPTYCH_HEIGHT };
  return triptych(await structure.again(reading), shown, await appearance.again(reading));
}
