/** What a ViT says of every patch of a picture, read to the CPU. */
import type { Engine, Tensor } from '../../engine/index.js';
import type { Image } from '../image.js';
import { recipes } from '../method/recipes.js';
import type { VitModel } from '../vit/config.js';
import { facetOf, type Facet } from '../vit/facets.js';
import { clsAttention, vitLayers, type VitLayer } from '../vit/vit.js';

/** Rows of features, the CLS row first, then the patches row by row. */
export interface PatchRows {
  /** [1 + rows * columns, C] */
  readonly data: Float32Array;
  readonly C: number;
  /** Of the grid of patches. */
  readonly rows: number;
  readonly columns: number;
}

/** Runs `outputs` of a picture's layers once; all by name, with the grid of patches. */
async function look(
  engine: Engine, vit: VitModel, image: Image, vitSize: number, outputs: (layers: readonly VitLayer[]) => Record<string, Tensor>,
): Promise<{ read: Map<string, Float32Array>; rows: number; columns: number }> {
  const g = engine.graph();
  const x = recipes.splice.toVit(g.input('picture', [1, 3, image.height, image.width]), vit.config, { vitSize, antialias: true });
  const wanted = outputs(vitLayers(g, vit, x));
  const program = await engine.compile(wanted);
  try {
    program.write('picture', image.data);
    program.run();
    const read = new Map<string, Float32Array>();
    for (const name of Object.keys(wanted)) read.set(name, await program.read(name));
    const [rows, columns] = [x.shape[2]!, x.shape[3]!].map((side) => Math.floor(side / vit.config.patch)) as [number, number];
    return { read, rows, columns };
  } finally {
    program.destroy();
  }
}

const keyOf = (layer: number, facet: Facet): string => `${facet} ${layer}`;

/** Facets of some layers (0 is the first block) of a picture by a ViT that is on the device. @throws RangeError for a layer it has not */
export async function patchFeatures(
  engine: Engine, vit: VitModel, image: Image, vitSize: number, layers: readonly number[], facets: readonly Facet[],
): Promise<(layer: number, facet: Facet) => PatchRows> {
  checkLayers(vit, layers);
  const { read, rows, columns } = await look(engine, vit, image, vitSize, (all) =>
    Object.fromEntries(layers.flatMap((layer) => facets.map((facet) => [keyOf(layer, facet), facetOf(all[layer]!, facet)]))));
  return (layer, facet) => ({ data: read.get(keyOf(layer, facet))!, C: vit.config.dim, rows, columns });
}

/** Attention of the CLS token over the patches (itself left out), [rows * columns] per layer and head. @throws RangeError for a layer it has not */
export async function clsAttentionMaps(
  engine: Engine, vit: VitModel, image: Image, vitSize: number, layers: readonly number[],
): Promise<{ readonly maps: readonly (readonly Float32Array[])[]; readonly rows: number; readonly columns: number }> {
  checkLayers(vit, layers);
  const { read, rows, columns } = await look(engine, vit, image, vitSize, (all) =>
    Object.fromEntries(layers.flatMap((layer) => clsAttention(vit, all[layer]!).map((t, head) => [`${layer} ${head}`, t]))));
  const maps = layers.map((layer) => Array.from({ length: vit.config.heads }, (_, head) => read.get(`${layer} ${head}`)!.subarray(1)));
  return { maps, rows, columns };
}

function checkLayers(vit: VitModel, layers: readonly number[]): void {
  const bad = layers.find((layer) => layer >= vit.config.depth);
  if (bad !== undefined) throw new RangeError(`${vit.name} has layers 0 to ${vit.config.depth - 1}, asked for ${bad}`);
}
