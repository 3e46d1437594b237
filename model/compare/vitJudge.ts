/** Figures of a result by a ViT, preferably not the one of the training. */
import type { Engine } from '../../engine/index.js';
import type { Image } from '../image.js';
import { resample } from '../resample.js';
import { joined, unitRows } from '../rows.js';
import type { VitModel } from '../vit/config.js';
import { uploadVit } from '../vit/vit.js';
import { cosine, featuresOf, type Features } from './features.js';
import { kmeans, meanIou } from './kmeans.js';
import { pairMatch } from './match.js';

export interface VitFigures {
  /** Mean squared difference of the keys' self-similarity to the structure image's, the structure loss: 0 if layout is kept. */
  readonly selfSimilarity: number;
  /** Cosine of the CLS token with the appearance image's: 1 if its look is reached. */
  readonly cls: number;
  /** Mean IoU of the label maps of result and structure, their keys clustered together: 1 if layout is kept. */
  readonly segments: number;
}

const CLUSTERS = 6;
const SEED = 1;

function segments(a: Features, b: Features, columns: number): number {
  const labels = kmeans({ data: unitRows(joined([a.keys, b.keys]), columns), columns }, CLUSTERS, SEED);
  const half = a.keys.length / columns;
  return meanIou(labels.subarray(0, half), labels.subarray(half));
}

const meanSquare = (a: Float32Array, b: Float32Array): number => a.reduce((sum, v, i) => sum + (v - b[i]!) ** 2, 0) / a.length;

/**
 * Uploads `vit` and judges results of one pair by it. For `selfSimilarity` and `segments` the result is resized to the structure
 * image, for `cls` it keeps its own proportions.
 */
export async function vitJudge(engine: Engine, vit: VitModel, structure: Image, appearance: Image, vitSize: number) {
  uploadVit(engine, vit);
  const look = (image: Image): Promise<Features> => featuresOf(engine, vit, image, vitSize);
  const [kept, wanted] = [await look(structure), await look(appearance)];
  return {
    /** The match of the pair's photos; see `LEAST_MATCH`. */
    match: pairMatch(kept, wanted, vit.config.dim),
    judge: async (result: Image): Promise<VitFigures> => {
      const own = result === structure ? kept : result === appearance ? wanted : await look(result);
      const isFit = result.width === structure.width && result.height === structure.height;
      const fit = isFit ? own : await look(resample(result, structure.width, structure.height));
      return {
        selfSimilarity: meanSquare(fit.similarity, kept.similarity),
        cls: cosine(own.cls, wanted.cls),
        segments: segments(kept, fit, vit.config.dim),
      };
    },
  };
}
