/** The work of `splice-gpu pca`: shows as colours what the layers of a ViT consider similar. */
import type { Engine } from '../../engine/index.js';
import type { Image } from '../../model/image.js';
import { resample } from '../../model/resample.js';
import { patchFeatures } from '../../model/study/patches.js';
import { pcaMaps, type PcaOptions } from '../../model/study/pcaMaps.js';
import type { Facet } from '../../model/vit/config.js';
import { uploadVit } from '../../model/vit/vit.js';
import type { LoadedVit } from '../models/read.js';
import type { Sheet, SheetRow } from '../photos/sheet.js';
import type { Parts } from '../run/parts.js';
import { listed, makeSheet, modelFacts, readModels, readPictures, titleOf, type LayerOptions, type NamedImage } from './study.js';
import { writeLine } from '../shared/progress.js';

export interface PcaCommandOptions extends LayerOptions, Pick<PcaOptions, 'of'>, Partial<Omit<PcaOptions, 'of'>> {
  readonly images: readonly string[];
  readonly model: readonly string[];
  readonly facets: readonly Facet[];
}

/** Writes the sheet. Returns the exit code. */
export async function pca(options: PcaCommandOptions, parts: Parts): Promise<number> {
  const pictures = await readPictures(options.images);
  const { models, layers } = await readModels(options.model, options, parts);
  const settings = { joint: false, foreground: false, ...options, layers };
  await makeSheet(options, parts, async (engine) => ({
    sheet: await pcaSheet(engine, models, pictures, settings, (text) => writeLine(parts.stderr, text)),
    facts: { models: models.map(modelFacts), layers, facets: options.facets, of: settings.of },
  }));
  return 0;
}

type Settings = PcaOptions & Required<Pick<PcaCommandOptions, 'facets' | 'layers' | 'vitSize' | 'height'>>;

/** Rows are pictures, facets and models, columns the picture and the layers; of a single layer several models are columns. */
export async function pcaSheet(
  engine: Engine, models: readonly LoadedVit[], pictures: readonly NamedImage[], settings: Settings, note: (text: string) => void,
): Promise<Sheet> {
  const { facets, layers, of, joint, foreground, height } = settings;
  const names = models.map(titleOf);
  const maps: Map<string, Image[]>[] = [];
  for (const { vit } of models) maps.push(await mapsOf(engine, vit, pictures, settings, note));
  const isAcross = models.length > 1 && layers.length === 1;
  const rows: SheetRow[] = [];
  pictures.forEach(({ name, image }, p) => {
    for (const facet of facets) {
      const label = (model?: string): string =>
        [models.length > 1 && model, pictures.length > 1 && name, facets.length > 1 && facet].filter(Boolean).join(', ');
      const cells = maps.map((of) => layers.map((layer) => of.get(`${layer} ${facet}`)![p]));
      if (isAcross) rows.push({ label: label(), cells: [image, ...cells.flat()] });
      else cells.forEach((each, m) => rows.push({ label: label(names[m]), cells: [image, ...each] }));
    }
  });
  const what = of === 'self-similarity' ? "patches' similarity to all others" : 'features';
  const how = [isAcross && `layer ${layers[0]}`, joint && 'one basis for all pictures', foreground && 'background left out'];
  const more = how.filter(Boolean).map((text) => `; ${text}`).join('');
  return {
    title: `PCA of ${listed(facets)}: ${listed(names)}`,
    note: `First three principal components of ${what}, as red, green and blue${more}.`,
    columns: ['picture', ...(isAcross ? names : layers.map((layer) => `layer ${layer}`))],
    rows,
    height,
  };
}

/** Maps of all pictures, at their sizes, by `layer facet`. */
async function mapsOf(
  engine: Engine, vit: LoadedVit['vit'], pictures: readonly NamedImage[], settings: Settings, note: (text: string) => void,
): Promise<Map<string, Image[]>> {
  const { facets, layers, vitSize } = settings;
  uploadVit(engine, vit);
  const features: Awaited<ReturnType<typeof patchFeatures>>[] = [];
  for (const { name, image } of pictures) {
    note(`${vit.name} looks at ${name}`);
    features.push(await patchFeatures(engine, vit, image, vitSize, layers, facets));
  }
  const maps = new Map<string, Image[]>();
  for (const layer of layers) {
    for (const facet of facets) {
      note(`components of layer ${layer}, ${facet}`);
      const small = pcaMaps(features.map((of) => of(layer, facet)), settings);
      maps.set(`${layer} ${facet}`, small.map((map, p) => resample(map, pictures[p]!.image.width, pictures[p]!.image.height)));
    }
  }
  return maps;
}
