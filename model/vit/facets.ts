/** Names of a layer's features: what inversion and PCA look at. */

/** Queries, keys and values of a block (heads side by side, bias included), or the tokens after it, before the final norm. */
export const FACETS = ['queries', 'keys', 'values', 'tokens'] as const;
export type Facet = (typeof FACETS)[number];
