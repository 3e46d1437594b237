/** A ViT's features of every patch of a picture, read to the CPU. */
import type { Engine, Tensor } from '../../engine/index.js';
import type { Image } from '../image.js';
import { recipes } from '../method/recipes.js';
import { runOnce } from '../runOnce.js';
import type { Facet, VitModel } from '../vit/config.js';
import { clsAttention, facetOf, vitLayers, type VitLayer } from '../vit/vit.js';

/** Rows of features, the CLS row first, then the patches row by row. */
export interface PatchRows {
  /** [1 + rows * columns, C] */
  readonly data: Float32Array;
  readonly C: number;
  /** Of the grid of patches. */
  readonly rows: number;
  readonly columns: number;
}

/** `outputs` of a picture's layers by name, and the grid of patches. @throws RangeError for a layer that the ViT does not have */
export async function look(
  engine: Engine, vit: VitModel, image: Image, vitSize: number, layers: readonly number[],
  outputs: (layer: VitLayer, index: number) => readonly (readonly [string, Tensor])[],
): Promise<{ read: Record<string, Float32Array>; rows: number; columns: number }> {
  const bad = layers.find((layer) => layer >= vit.config.depth);
  if (bad !== undefined) throw new RangeError(`${vit.name} has layers 0 to ${vit.config.depth - 1}, asked for ${bad}`);
  const g = engine.graph();
  const x = recipes.splice.toVit(g.input('picture', [1, 3, image.height, image.width]), vit.config, { vitSize, antialias: true });
  const all = vitLayers(g, vit, x);
  const wanted = Object.fromEntries(layers.flatMap((layer) => outputs(all[layer]!, layer)));
  const read = await runOnce(engine, wanted, [['picture', image.data]]);
  const [rows, columns] = [x.shape[2]!, x.shape[3]!].map((side) => Math.floor(side / vit.config.patch)) as [number, number];
  return { read, rows, columns };
}

/** Facets of some layers (0 is the first block) of a picture by a ViT on the device. @throws RangeError for a layer it lacks */
export async function patchFeatures(
  engine: Engine, vit: VitModel, image: Image, vitSize: number, layers: readonly number[], facets: readonly Facet[],
): Promise<(layer: number, facet: Facet) => PatchRows> {
  const { read, rows, columns } = await look(engine, vit, image, vitSize, layers, (layer, index) =>
    facets.map((facet) => [`${facet} ${index}`, facetOf(layer, facet)]));
  return (layer, facet) => ({ data: read[`${facet} ${layer}`]!, C: vit.config.dim, rows, columns });
}

/** The CLS token's attention over the patches, [rows * columns] per layer and head. @throws RangeError as `patchFeatures` */
export async function clsAttentionMaps(
  engine: Engine, vit: VitModel, image: Image, vitSize: number, layers: readonly number[],
): Promise<{ readonly maps: readonly (readonly Float32Array[])[]; readonly rows: number; readonly columns: number }> {
  const { read, rows, columns } = await look(engine, vit, image, vitSize, layers, (layer, index) =>
    clsAttention(vit, layer).map((t, head) => [`${index} ${head}`, t]));
  const heads = Array.from({ length: vit.config.heads }, (_, head) => head);
  return { maps: layers.map((layer) => heads.map((head) => read[`${layer} ${head}`]!.subarray(1))), rows, columns };
}
