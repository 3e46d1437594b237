/** All figures of a result: from the pictures alone and, if there is one, by a ViT. */
import type { Engine } from '../../engine/index.js';
import type { Image } from '../image.js';
import type { VitModel } from '../vit/config.js';
import { glanceAt, judgePictures, type Glance, type PictureFigures } from './pictures.js';
import { vitJudge, type VitFigures } from './vitJudge.js';

export type Figures = PictureFigures & Partial<VitFigures>;

export type Judge = Awaited<ReturnType<typeof openJudge>>;

export interface Seeing {
  readonly engine: Engine;
  readonly vit: VitModel;
  /** Shorter side of the ViT's input in pixels. */
  readonly vitSize: number;
}

/** A judge of results for one pair of photos. */
export async function openJudge(structure: Image, appearance: Image, seeing?: Seeing) {
  const byVit = seeing && (await vitJudge(seeing.engine, seeing.vit, structure, appearance, seeing.vitSize));
  // Made for the first result, since it takes seconds.
  let byPictures: ReturnType<typeof judgePictures> | undefined;
  let byGlance: ReturnType<typeof glanceAt> | undefined;
  return {
    /** The match of the pair's photos by the ViT; see `LEAST_MATCH`. */
    ...(byVit && { match: byVit.match }),
    /** The figures that take a fraction of a second, from the pictures alone. */
    glance: (result: Image): Glance => (byGlance ??= glanceAt(structure, appearance))(result),
    judge: async (result: Image): Promise<Figures> => {
      byPictures ??= judgePictures(structure, appearance);
      return { ...byPictures(result), ...(byVit && (await byVit.judge(result))) };
    },
  };
}
