/** Any layer of a ViT by name: what inversion and PCA look at. */
import type { Tensor } from '../../engine/index.js';
import { facet, type VitLayer } from './vit.js';

export const FACETS = ['queries', 'keys', 'values', 'tokens'] as const;
/** Queries, keys and values of a block (heads side by side, bias included), or the tokens after it, before the final norm. */
export type Facet = (typeof FACETS)[number];

/** A facet [B, T, C] of one of the layers `vitLayers` gives, the CLS row first. */
export const facetOf = (layer: VitLayer, name: Facet): Tensor => (name === 'tokens' ? layer.tokens : facet(layer, FACETS.indexOf(name) as 0 | 1 | 2));
