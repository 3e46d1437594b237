/** Figures of regions: how far the colours of each are from those of its partner. */
import { regionColours, regionDistance } from '../../model/compare/regionColours.js';
import type { Image } from '../../model/image.js';
import type { LabelFile } from '../photos/labels.js';
import { table } from '../shared/table.js';
import { nameOfRegion, toNumbers, type Look, type ReadRegions } from './regions.js';

/** Colour distances by region; null for a region of which a picture has no pixel. */
export type RegionFigures = Readonly<Record<string, number | null>>;

type Compared = Pick<ReadRegions, 'structure' | 'appearance' | 'colours'>;

/** Judges pictures of a structure photo. @param photos the appearance photo, or with `looks` those of the regions */
export function regionJudge(
  { structure, appearance, colours }: Compared, photos: readonly Image[], looks?: readonly Look[],
): (picture: Image) => RegionFigures {
  const numbers = (file: LabelFile) => toNumbers(file, file, colours);
  const [own, other] = [numbers(structure), appearance && numbers(appearance)];
  const partners = colours.map((colour, i) => {
    const photo = looks ? photos[looks.findIndex((look) => look.colour === colour)]! : photos[0]!;
    return regionColours(photo, 1 + i, other);
  });
  return (picture) => Object.fromEntries(colours.map((colour, i) =>
    [nameOfRegion(colour, looks), regionDistance(regionColours(picture, 1 + i, own), partners[i])]));
}

/** For people: a line for each picture. */
export function showRegions(rows: readonly { readonly name: string; readonly regions: RegionFigures }[]): string {
  const names = Object.keys(rows[0]!.regions);
  const cells = rows.map(({ name, regions }) => [name, ...names.map((region) => regions[region]?.toFixed(2) ?? '')]);
  return `${table([['colour of', ...names], ...cells])}\n\neach region's distance to its partner's colours, 0 is reached\n`;
}
