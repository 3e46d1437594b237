/** The options of a transfer, and how config.json holds them. */
import { resolve } from 'node:path';
import { isCount } from '../../model/files/json.js';
import { withoutUnused, type SpliceOptions } from '../../model/method/options.js';
import { MAX_SIDE, parseSplice } from '../../model/method/saved.js';
import { CheckpointError } from '../../model/vit/errors.js';
import { parseSidecar, type VitSettings } from '../../model/vit/settings.js';
import type { Choosable } from '../../model/training/sizes.js';
import { colourOf, showColour } from '../photos/labels.js';
import { parseOutput, type OutputOptions } from './output.js';
import type { Look } from './regions.js';
import { TO_THE_END, untilOf } from './until.js';
import { objectOf, show, textOf, wholeOf, type Fields, type ResumeOptions } from '../run/config.js';

export { CHOOSABLE, type Choosable } from '../../model/training/sizes.js';

/** The largest strength: beyond the result, colours soon leave what can be shown. */
export const MOST_STRENGTH = 1.5;

export interface TransferOptions extends OutputOptions {
  /** A photo, or a folder of frames: see sequence.ts. */
  readonly structure: string;
  readonly appearance: string;
  /** Label image of the structure photo; see regions.ts. No regions when absent. */
  readonly structureRegions?: string;
  /** The same of the appearance photo; absent with `looks`. */
  readonly appearanceRegions?: string;
  /** An appearance photo for each region, `appearance` being the first. */
  readonly looks?: readonly Look[];
  readonly out: string;
  /** A known model's name, `auto`, or the path of a weight file. */
  readonly model: string;
  readonly vit: VitSettings;
  /** Outlier neurons that move to an added token: see `registersOf`. */
  readonly testTimeRegisters?: string;
  /** Shorter side that both photos are scaled to; their own size when absent. */
  readonly size?: number;
  /** What is chosen for the device before the start, in place of the values here; nothing when absent. */
  readonly choose?: readonly Choosable[];
  /** Seconds that the run may take on this device, by measured steps; nothing is measured when absent. */
  readonly fit?: number;
  readonly saveEvery: number;
  /** Steps between checkpoints that are kept, for branches; none is when absent. */
  readonly keepEvery?: number;
  readonly json: boolean;
  readonly force: boolean;
  /** Port of the page that shows the run, 0 for any free one; no page when absent. */
  readonly watch?: number;
  /** False: with the usual kernels, whatever calibration says. */
  readonly tune?: boolean;
  /** When the run ends before its last step; see until.ts. To the last step when absent. */
  readonly until?: string;
  /** Strengths whose pictures are made at the end; none when absent. */
  readonly strength?: readonly number[];
  /** The best of several seeds; `splice.seed` is the first of them, and the chosen one afterwards. One seed when absent. */
  readonly seeds?: Seeds;
  readonly splice: SpliceOptions;
  /** A generator for any pair to begin with, instead of a new one of the recipe's. */
  readonly generator?: { readonly path: string; readonly sha256: string };
  /** The run that this one is a branch of. */
  readonly branch?: Branch;
  /** Changes of the regions on the run's page, in order; none when absent. */
  readonly brushed?: readonly Brushed[];
}

/** From a step on a run has these regions, by the hashes of their label images, or none. */
export interface Brushed {
  /** Steps of the training before it. */
  readonly step: number;
  readonly structureRegions?: string;
  readonly appearanceRegions?: string;
}

/** A run's beginning that is another run's. */
export interface Branch {
  /** Folder of the other run. */
  readonly from: string;
  /** Steps of its training. */
  readonly step: number;
  /** The options that differ, by name. */
  readonly set: Fields;
}

export interface Seeds {
  /** The first and those after it. */
  readonly count: number;
  readonly first: number;
  /** The ViT that judges, by name or path; the best at hand when absent. */
  readonly judge?: string;
  /** Steps after the warm start that all have in common; a share of the steps when absent. */
  readonly sharedSteps?: number;
  /** Absent while the seeds are being compared. */
  readonly chosen?: number;
}

/** The options as `config.options` holds them: those that are missing there are switched off. */
export const savedOptions = (options: TransferOptions) => {
  const { splice, size, saveEvery, keepEvery, until, seeds, testTimeRegisters, detail = 0, upscale, outputSize } = options;
  return {
    ...withoutUnused(splice), size: size ?? null, saveEvery, ...(keepEvery !== undefined && { keepEvery }),
    ...(until !== undefined && { until }), ...(seeds && { seeds }), ...(testTimeRegisters && { testTimeRegisters }),
    ...(detail !== 0 && { detail }), ...(upscale !== undefined && { upscale }), ...(outputSize !== undefined && { outputSize }),
  };
};

/** The options that a config.json describes, `--steps` of the resume included. @throws Error naming the field that is wrong */
export function parseOptions(config: Fields, { folder, json, steps, until, strength }: ResumeOptions): TransferOptions {
  const {
    size, saveEvery, keepEvery, until: saved, seeds, testTimeRegisters, detail, upscale, outputSize, ...splice
  } = objectOf('options', config['options']);
  if (typeof size === 'number' && size > MAX_SIDE) throw new Error(`options.size is ${size}`);
  const model = objectOf('model', config['model']);
  const generator = config['generator'] === undefined ? undefined : objectOf('generator', config['generator']);
  const structure = config['frames'] === undefined ? 'structure' : 'frames';
  return {
    structure: textOf(`${structure}.path`, objectOf(structure, config[structure])['path']),
    appearance: textOf('appearance.path', objectOf('appearance', config['appearance'])['path']),
    ...parseRegions(config),
    out: folder,
    model: textOf('model.given', model['given'] ?? model['path']),
    vit: vitSettings(model['config']),
    ...(testTimeRegisters !== undefined && { testTimeRegisters: textOf('options.testTimeRegisters', testTimeRegisters) }),
    ...(size === null || size === undefined ? {} : { size: wholeOf('options.size', size) }),
    saveEvery: wholeOf('options.saveEvery', saveEvery),
    ...(keepEvery !== undefined && { keepEvery: wholeOf('options.keepEvery', keepEvery) }),
    ...parseOutput({ detail, upscale, outputSize }),
    json,
    force: false,
    ...untilField(until ?? saved),
    ...strengthField(strength ?? config['strength']),
    ...(seeds !== undefined && { seeds: parseSeeds(objectOf('options.seeds', seeds)) }),
    ...(generator && {
      generator: { path: textOf('generator.path', generator['path']), sha256: textOf('generator.sha256', generator['sha256']) },
    }),
    ...(config['branch'] !== undefined && { branch: parseBranch(objectOf('branch', config['branch'])) }),
    ...brushedField(config['brushed']),
    splice: { ...parseSplice(splice), ...(steps !== undefined && { steps }) },
  };
}

/** The changes in a config.json that has any. @throws Error naming the value that is wrong */
function brushedField(value: unknown): Pick<TransferOptions, 'brushed'> {
  if (value === undefined) return {};
  if (!Array.isArray(value)) throw new Error(`brushed is ${show(value)}`);
  const hash = (name: string, given: unknown) => (given === undefined ? {} : { [name]: textOf(`brushed.${name}`, given) });
  return {
    brushed: value.map((each) => {
      const { step, structureRegions, appearanceRegions } = objectOf('brushed', each);
      if (!isCount(step)) throw new Error(`brushed.step is ${show(step)}`);
      return {
        step, ...hash('structureRegions', structureRegions), ...hash('appearanceRegions', appearanceRegions),
      };
    }),
  };
}

/** Nothing if there is none. @throws Error for what is no list of strengths */
function strengthField(value: unknown): Pick<TransferOptions, 'strength'> {
  if (value === undefined) return {};
  const isStrength = (each: unknown): boolean => typeof each === 'number' && each >= 0 && each <= MOST_STRENGTH;
  if (!Array.isArray(value) || value.length === 0 || !value.every(isStrength)) throw new Error(`strength is ${show(value)}`);
  return { strength: value as number[] };
}

/** Label images and the appearance photos of their colours. */
function parseRegions(config: Fields): Pick<TransferOptions, 'structureRegions' | 'appearanceRegions' | 'looks'> {
  const pathIn = (name: string): string => textOf(`${name}.path`, objectOf(name, config[name])['path']);
  const looks = config['looks'];
  if (looks !== undefined && !(Array.isArray(looks) && looks.length > 0)) throw new Error(`looks is ${show(looks)}`);
  return {
    ...(config['structureRegions'] !== undefined && { structureRegions: pathIn('structureRegions') }),
    ...(config['appearanceRegions'] !== undefined && { appearanceRegions: pathIn('appearanceRegions') }),
    ...(looks !== undefined && { looks: looks.map((look) => parseLook(objectOf('looks', look))) }),
  };
}

function parseLook({ name, colour, path }: Fields): Look {
  const found = colourOf(textOf('looks.colour', colour));
  if (found === undefined) throw new Error(`looks.colour is ${show(colour)}`);
  return { ...(name !== undefined && { name: textOf('looks.name', name) }), colour: found, path: textOf('looks.path', path) };
}

const parseBranch = ({ from, step, set }: Fields): Branch =>
  ({ from: textOf('branch.from', from), step: wholeOf('branch.step', step), set: objectOf('branch.set', set) });

function parseSeeds({ count, first, judge, sharedSteps, chosen }: Fields): Seeds {
  if (!isCount(first)) throw new Error(`options.seeds.first is ${show(first)}`);
  if (chosen !== undefined && !isCount(chosen)) throw new Error(`options.seeds.chosen is ${show(chosen)}`);
  if (sharedSteps !== undefined && !isCount(sharedSteps)) throw new Error(`options.seeds.sharedSteps is ${show(sharedSteps)}`);
  return {
    count: wholeOf('options.seeds.count', count), first,
    ...(judge !== undefined && { judge: textOf('options.seeds.judge', judge) }),
    ...(sharedSteps !== undefined && { sharedSteps }), ...(chosen !== undefined && { chosen }),
  };
}

/** Nothing for the default. @throws Error for what `untilOf` refuses */
export function untilField(value: unknown): Pick<TransferOptions, 'until'> {
  if (value === undefined || value === TO_THE_END) return {};
  const until = textOf('options.until', value);
  untilOf(until);
  return { until };
}

/** The settings that shapes of weights do not tell. */
function vitSettings(value: unknown): VitSettings {
  const { heads, patch, mean, std, activation, registerNeurons } = objectOf('model.config', value);
  try {
    return parseSidecar({ heads, patch, mean, std, activation, registerNeurons });
  } catch (error) {
    throw error instanceof CheckpointError ? new Error(`model.config: ${error.message}`, { cause: error }) : error;
  }
}

/** The same for the same files and colours. */
const regionsField = ({ structureRegions, appearanceRegions, looks = [] }: Partial<TransferOptions>): Fields => ({
  'structure-regions': structureRegions && resolve(structureRegions),
  'appearance-regions': appearanceRegions && resolve(appearanceRegions),
  looks: looks.map(({ colour, path }) => [showColour(colour), resolve(path)]),
});

/** The first setting in which a saved run differs from the wanted one; neither more steps nor what was chosen count. */
export function differenceOf(saved: TransferOptions, wanted: TransferOptions): string | undefined {
  const flat = ({ structure, appearance, splice, vit, seeds, size, detail = 0, ...others }: TransferOptions): Fields => ({
    ...splice, ...vit, size, detail, upscale: others.upscale, outputSize: others.outputSize,
    testTimeRegisters: others.testTimeRegisters, structure: resolve(structure), appearance: resolve(appearance),
    ...regionsField(others),
    seed: seeds?.first ?? splice.seed, warmSeed: splice.warmSeed ?? seeds?.first ?? splice.seed,
    seeds: seeds?.count, judge: seeds?.judge, sharedSteps: (seeds ?? splice).sharedSteps,
  });
  const [before, now] = [flat(saved), flat(wanted)];
  // A run of one photo has no such weight, whatever is wanted.
  const isIdle = (name: string): boolean => name === 'steps' || (name === 'lambdaStill' && saved.splice.lambdaStill === 0);
  const compared = Object.keys(now).filter((name) => !isIdle(name) && !wanted.choose?.some((chosen) => chosen === name));
  const isSameModel = wanted.model === 'auto' || [wanted.model, resolve(wanted.model)].includes(saved.model);
  const changed = compared.find((name) => JSON.stringify(before[name]) !== JSON.stringify(now[name]));
  return changed ?? (isSameModel ? undefined : 'model');
}
