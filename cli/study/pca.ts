/** The work of `splice-gpu pca`: what a ViT's layers hold for alike, as colours. */
import type { Parts } from '../run/parts.js';
import type { Engine } from '../../engine/index.js';
import type { Image } from '../../model/image.js';
import { resample } from '../../model/resample.js';
import { patchFeatures } from '../../model/study/patches.js';
import { pcaMaps, type PcaOptions } from '../../model/study/pcaMaps.js';
import type { Facet } from '../../model/vit/facets.js';
import { uploadVit } from '../../model/vit/vit.js';
import type { Sheet, SheetRow } from '../photos/sheet.js';
import { announceSheet, checkSheetPath, layersOr, modelLabel, readModels, readPictures, saveSheet, type NamedImage } from './study.js';
import type { LoadedVit } from '../models/load.js';

export interface PcaCommandOptions extends PcaOptions {
  readonly images: readonly string[];
  readonly models: readonly string[];
  readonly facets: readonly Facet[];
  /** 0 is the first; absent: the last. */
  readonly layers?: readonly number[];
  readonly vitSize: number;
  /** Height of the sheet's pictures in pixels. */
  readonly height: number;
  readonly out: string;
  readonly json: boolean;
}

/** Writes the sheet. Answers with the exit code. */
export async function pca(options: PcaCommandOptions, parts: Parts): Promise<number> {
  const { openEngine, stdout, stderr } = parts;
  checkSheetPath(options.out);
  const pictures = await readPictures(options.images);
  const models = await readModels(options.models, options.vitSize, options.layers ?? [], parts);
  const { engine, close } = await openEngine();
  try {
    const layers = layersOr(options.layers, models);
    const sheet = await pcaSheet(engine, models, pictures, { ...options, layers }, (text) => stderr.write(`${text}\n`));
    await saveSheet(options.out, sheet);
    announceSheet(options.out, options.json, { models: models.map(({ vit, sha256 }) => ({ name: vit.name, sha256 })), layers, facets: options.facets, of: options.of }, stdout);
  } finally {
    close();
  }
  return 0;
}

type SheetOptions = PcaOptions & Required<Pick<PcaCommandOptions, 'facets' | 'layers' | 'vitSize' | 'height'>>;

/** Rows are pictures, models and facets; columns the picture and layers. */
export async function pcaSheet(
  engine: Engine, models: readonly LoadedVit[], pictures: readonly NamedImage[], options: SheetOptions, tell: (text: string) => void,
): Promise<Sheet> {
  const { facets, layers, of, joint, foreground } = options;
  const rows: SheetRow[][] = pictures.map(() => []);
  for (const model of models) {
    const maps = await mapsOf(engine, model, pictures, options, tell);
    pictures.forEach(({ name, image }, p) => {
      for (const facet of facets) {
        const label = [models.length > 1 ? modelLabel(model) : '', pictures.length > 1 ? name : '', facet].filter(Boolean).join(' ');
        rows[p]!.push({ label, cells: [image, ...layers.map((layer) => maps(layer, facet)[p]!)] });
      }
    });
  }
  const what = of === 'self-similarity' ? "patches' similarity to all others" : 'features';
  const how = [joint && 'one basis for all pictures', foreground && 'background left out'].filter(Boolean).join(', ');
  return {
    title: `PCA of ${models.map(modelLabel).join(' and ')}`,
    note: `First three principal components of ${what}, as red, green and blue${how && `; ${how}`}.`,
    columns: ['picture', ...layers.map((layer) => `layer ${layer}`)],
    rows: rows.flat(),
    height: options.height,
  };
}

/** Pictures' maps by layer and facet, at the pictures' sizes. */
async function mapsOf(engine: Engine, { vit }: LoadedVit, pictures: readonly NamedImage[], options: SheetOptions, tell: (text: string) => void) {
  const { facets, layers, vitSize } = options;
  uploadVit(engine, vit);
  const features: Awaited<ReturnType<typeof patchFeatures>>[] = [];
  for (const { name, image } of pictures) {
    tell(`${vit.name} looks at ${name}`);
    features.push(await patchFeatures(engine, vit, image, vitSize, layers, facets));
  }
  const maps = new Map<string, Image[]>();
  for (const layer of layers) {
    for (const facet of facets) {
      tell(`components of layer ${layer}, ${facet}`);
      const small = pcaMaps(features.map((of) => of(layer, facet)), options);
      maps.set(`${layer} ${facet}`, small.map((map, p) => resample(map, pictures[p]!.image.width, pictures[p]!.image.height)));
    }
  }
  return (layer: number, facet: Facet): Image[] => maps.get(`${layer} ${facet}`)!;
}
