/** How a transfer is recorded: in config.json, checkpoints, pictures and the generator's file. */
import { resolve } from 'node:path';
import type { Figures } from '../../model/compare/judge.js';
import type { StepLosses } from '../../model/training/run.js';
import { pairIdentity } from '../../model/training/runFile.js';
import { givenModel } from '../models/load.js';
import { showColour, type LabelFile } from '../photos/labels.js';
import type { Photo } from '../photos/photo.js';
import {
  BRANCH_KEYWORD, BRUSHED_KEYWORD, DETAIL_KEYWORD, GENERATOR_KEYWORD, LOSSES_KEYWORD, MODEL_KEYWORD, type PngText,
} from '../photos/pngText.js';
import type { Identity } from '../run/checkpoints.js';
import { version } from '../shared/version.js';
import type { Fine } from './detail.js';
import type { Inputs } from './inputs.js';
import type { Look } from './regions.js';
import { savedOptions, type TransferOptions } from './options.js';

/** What a resume must find unchanged. Detail is added after the training, so it is not part of it. */
export function identityOf({ options: { splice, size, generator, looks }, ...inputs }: Inputs): Identity {
  const { structure, sequence, appearance, looks: further, regions, model } = inputs;
  const sha256 = { structure: structure.sha256, appearance: appearance.sha256, weights: model.sha256 };
  return {
    ...pairIdentity(sha256, model.vit.config, splice, size),
    ...Object.fromEntries(further.map((photo, i) => [lookName(i), photo.sha256])),
    ...(sequence && { frames: sequence.sha256 }),
    ...(regions && { 'structure regions': regions.structure.sha256 }),
    ...(regions?.appearance && { 'appearance regions': regions.appearance.sha256 }),
    ...(looks && { 'colours of regions': looks.map(({ colour }) => showColour(colour)).join(' ') }),
    ...(generator && { 'generator for all pairs': generator.sha256 }),
  };
}

/** A further appearance photo in an identity. */
const lookName = (i: number): string => `appearance photo ${i + 2}`;

/** Paths of what an identity has, by its names. */
export const sourcesOf = (
  { options, structure, sequence, appearance, looks, regions, model }: Inputs,
): Readonly<Record<string, string>> => ({
  'structure photo': structure.path,
  ...(sequence && { frames: options.structure }),
  'appearance photo': appearance.path,
  ...Object.fromEntries(looks.map(({ path }, i) => [lookName(i), path])),
  ...(regions && { 'structure regions': regions.structure.path }),
  ...(regions?.appearance && { 'appearance regions': regions.appearance.path }),
  'ViT weights': model.path,
});

/** Hashes of frames, label images and further photos, in one form. */
const furtherHashes = ({ options, sequence, appearance, looks, regions }: Inputs) => ({
  ...(sequence && { frames: sequence.sha256 }),
  ...(regions && { structureRegions: regions.structure.sha256 }),
  ...(regions?.appearance && { appearanceRegions: regions.appearance.sha256 }),
  ...(options.looks && {
    looks: options.looks.map(({ colour }, i) => ({ colour: showColour(colour), sha256: [appearance, ...looks][i]!.sha256 })),
  }),
});

const describeLabels = ({ path, sha256, width, height, colours }: LabelFile) =>
  ({ path: resolve(path), sha256, size: [width, height], colours: colours.map(showColour) });

const describeLook = ({ name, colour }: Look, photo: Photo) =>
  ({ ...(name !== undefined && { name }), colour: showColour(colour), ...describePhoto(photo) });

const describePhoto = ({ path, sha256, format, width, height, image }: Photo) =>
  ({ path: resolve(path), sha256, format, size: [width, height], usedSize: [image.width, image.height] });

/** Its part of config.json. */
export function describe({ options, structure, sequence, appearance, looks, regions, model: loaded }: Inputs) {
  const { generator, model, branch, strength, brushed } = options;
  const { vit, path, sha256 } = loaded;
  return {
    options: savedOptions(options),
    ...(branch && { branch }),
    ...(strength && { strength }),
    ...(brushed && { brushed }),
    ...(generator && { generator: { path: resolve(generator.path), sha256: generator.sha256 } }),
    structure: describePhoto(structure),
    ...(sequence && { frames: { path: resolve(options.structure), sha256: sequence.sha256, count: sequence.photos.length } }),
    appearance: describePhoto(appearance),
    ...(regions && { structureRegions: describeLabels(regions.structure) }),
    ...(regions?.appearance && { appearanceRegions: describeLabels(regions.appearance) }),
    ...(options.looks && { looks: options.looks.map((look, i) => describeLook(look, [appearance, ...looks][i]!)) }),
    model: { given: givenModel(model, loaded), name: vit.name, path: resolve(path), sha256, config: vit.config },
  };
}

/** What a result's texts tell besides its inputs. */
interface Made {
  readonly steps: number;
  /** The first entry of the log: it shows whether photos, ViT and settings are these, without training to the end. */
  readonly first: StepLosses | undefined;
  /** Once the run is finished. */
  readonly figures?: Figures;
  readonly detail?: Fine['detail'] | undefined;
}

/** The texts inside result.png: enough to repeat it, and its figures once it is finished. */
export const resultText = (inputs: Inputs, { steps, first, figures, detail }: Made): PngText => {
  const { options, structure, appearance, model } = inputs;
  const photos = { structure: structure.sha256, appearance: appearance.sha256 };
  return {
    Software: `splice-gpu ${version()}`,
    Seed: String(options.splice.seed),
    Steps: String(steps),
    Model: model.vit.name,
    [MODEL_KEYWORD]: model.sha256,
    Settings: JSON.stringify({ ...savedOptions(options), ...photos, ...furtherHashes(inputs) }),
    ...(options.generator && { [GENERATOR_KEYWORD]: options.generator.sha256 }),
    ...(isChanged(options) && { [BRANCH_KEYWORD]: `from step ${options.branch!.step}` }),
    ...(options.brushed && { [BRUSHED_KEYWORD]: `from step ${options.brushed[0]!.step}` }),
    ...(first && { [LOSSES_KEYWORD]: JSON.stringify(first) }),
    ...(detail && { [DETAIL_KEYWORD]: JSON.stringify(detail) }),
    ...(figures && { Figures: JSON.stringify(figures) }),
  };
};

/** A branch without other options is the same run. */
const isChanged = ({ branch }: TransferOptions): boolean => branch !== undefined && Object.keys(branch.set).length > 0;

export const generatorMetadata = ({ options: { splice }, structure, appearance }: Inputs, steps: number) => ({
  format: 'splice-gpu generator',
  recipe: splice.recipe,
  steps: String(steps),
  seed: String(splice.seed),
  structureSize: `${structure.image.width}x${structure.image.height}`,
  appearanceSize: `${appearance.image.width}x${appearance.image.height}`,
});
