/** What a transfer is called. */
import type { Fields } from '../run/config.js';
import { nameOf, shortPath } from '../run/about.js';

/** Titles of its curves and of its page. @param options with `recipe` and `seed` */
export const titlesOf = ({ recipe, seed }: Fields, structure: string, appearance: string) => ({
  title: `${String(recipe)}: ${shortPath(structure)} as ${shortPath(appearance)}, seed ${String(seed)}`,
  page: `${nameOf(structure)} as ${nameOf(appearance)}`,
});
