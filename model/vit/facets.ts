/** Any layer of a ViT by name: what inversion and PCA look at. */
import type { Graph, Tensor } from '../../engine/index.js';
import type { VitModel } from './config.js';
import { facet, vitLayers, type VitLayer } from './vit.js';

export const FACETS = ['queries', 'keys', 'values', 'tokens'] as const;
/** Queries, keys and values of a block (heads side by side, bias included), or the tokens after it, before the final norm. */
export type Facet = (typeof FACETS)[number];

/** A facet [B, T, C] of one of the layers `vitLayers` gives, the CLS row first. */
export const facetOf = (layer: VitLayer, name: Facet): Tensor => (name === 'tokens' ? layer.tokens : facet(layer, FACETS.indexOf(name) as 0 | 1 | 2));

/** The facet of layer `index` (0 is the first block) of normalised images [B, 3, H, W]. Later blocks are not computed. @throws RangeError */
export function vitFacet(g: Graph, vit: VitModel, x: Tensor, index: number, name: Facet): Tensor {
  const layer = vitLayers(g, vit, x)[index];
  if (!layer) throw new RangeError(`${vit.name} has layers 0 to ${vit.config.depth - 1}, asked for ${index}`);
  return facetOf(layer, name);
}
