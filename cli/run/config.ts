/** Taking up a run again: what its folder says about it, and whether that still holds. */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { defaultOptions, PRECISIONS, type SpliceOptions } from '../../model/method/options.js';
import { recipes } from '../../model/method/recipes.js';
import { CheckpointError } from '../../model/vit/errors.js';
import { parseSidecar, type VitSettings } from '../../model/vit/settings.js';
import type { Identity } from './checkpoints.js';
import { fileProblem, InputError, UsageError } from '../shared/errors.js';
import type { Inputs } from '../transfer/inputs.js';
import type { TransferOptions } from '../transfer/transfer.js';

/** What `transfer --resume` is given; the rest is in the folder. */
export interface ResumeOptions {
  readonly folder: string;
  /** Steps in all; as many as before when absent. */
  readonly steps?: number;
  readonly json: boolean;
  /** As `TransferOptions.watch`. */
  readonly watch?: number;
}

export interface SavedRun {
  readonly options: TransferOptions;
  /** The whole of config.json. */
  readonly config: Readonly<Record<string, unknown>>;
}

/** As on the command line. */
const MAX_SIDE = 8192;

type Fields = Readonly<Record<string, unknown>>;

/** @throws InputError when the folder holds no run, or its config.json is damaged */
export async function readSavedRun({ folder, steps, json }: ResumeOptions): Promise<SavedRun> {
  const path = join(folder, 'config.json');
  const text = await readFile(path, 'utf8').catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') throw new InputError(`${folder} holds no run to go on with (there is no ${path}): check the path, or start a run there with --out`, { cause: error });
    throw new InputError(`${path} ${fileProblem(error)}`, { cause: error });
  });
  try {
    const config = objectOf('the file', JSON.parse(text) as unknown);
    return { options: parseConfig(config, folder, json, steps), config };
  } catch (error) {
    const reason = error instanceof SyntaxError ? 'it is not JSON' : (error as Error).message;
    throw new InputError(`${path} does not describe a run (${reason}): correct it, or start the run anew with --force`, { cause: error });
  }
}

/** The options that a config.json, as `describeRun` writes it, stands for. @throws Error naming the field that is wrong */
export function parseConfig(config: Fields, folder: string, json: boolean, steps?: number): TransferOptions {
  const { size, saveEvery, ...splice } = objectOf('options', config['options']);
  const model = objectOf('model', config['model']);
  const generator = config['generator'] === undefined ? undefined : objectOf('generator', config['generator']);
  return {
    structure: textOf('structure.path', objectOf('structure', config['structure'])['path']),
    appearance: textOf('appearance.path', objectOf('appearance', config['appearance'])['path']),
    out: folder,
    model: textOf('model.given', model['given'] ?? model['path']),
    vit: vitSettings(model['config']),
    ...(size === null || size === undefined ? {} : { size: wholeOf('options.size', size) }),
    saveEvery: wholeOf('options.saveEvery', saveEvery),
    json,
    force: false,
    ...(generator && { generator: { path: textOf('generator.path', generator['path']), sha256: textOf('generator.sha256', generator['sha256']) } }),
    splice: { ...parseSplice(splice), ...(steps !== undefined && { steps }) },
  };
}

/** The sizes are in the weights; these are what shapes do not tell. */
function vitSettings(value: unknown): VitSettings {
  const { heads, patch, mean, std, activation } = objectOf('model.config', value);
  try {
    return parseSidecar({ heads, patch, mean, std, activation });
  } catch (error) {
    throw error instanceof CheckpointError ? new Error(`model.config: ${error.message}`, { cause: error }) : error;
  }
}

/** Every option is of its default's type; counts are whole, and no number is negative. */
function parseSplice(fields: Fields): SpliceOptions {
  for (const [name, value] of Object.entries(defaultOptions)) {
    const found = fields[name];
    const isOfType = typeof found === typeof value && (typeof found !== 'number' || (Number.isFinite(found) && found >= 0));
    const isWhole = !['steps', 'seed', 'warmStart', 'vitSize'].includes(name) || Number.isSafeInteger(found);
    if (!isOfType || !isWhole) throw new Error(`options.${name} is ${show(found)}`);
  }
  const splice = fields as unknown as SpliceOptions;
  if (!PRECISIONS.includes(splice.precision)) throw new Error(`options.precision is ${show(splice.precision)}`);
  if (!Object.hasOwn(recipes, splice.recipe)) throw new Error(`options.recipe is ${show(splice.recipe)}`);
  for (const name of ['steps', 'vitSize', 'lr'] as const) {
    if (splice[name] === 0) throw new Error(`options.${name} is 0`);
  }
  if (splice.vitSize > MAX_SIDE) throw new Error(`options.vitSize is ${splice.vitSize}`);
  return splice;
}

/** What must not change while a run is interrupted. `steps` may be raised, and pictures be saved more often. */
export function identityOf({ splice, size, generator }: TransferOptions, { structure, appearance, model }: Inputs): Identity {
  const { steps: _, ...settings } = splice;
  return {
    'structure photo': structure.sha256,
    'appearance photo': appearance.sha256,
    'ViT weights': model.sha256,
    'ViT settings': JSON.stringify(model.vit.config),
    settings: JSON.stringify({ ...settings, size: size ?? null }),
    ...(generator && { 'generator for all pairs': generator.sha256 }),
  };
}

/** @throws InputError naming what changed */
export function checkIdentity(folder: string, saved: Identity, now: Identity, { structure, appearance, model }: Inputs): void {
  const changed = Object.keys(now).find((name) => saved[name] !== now[name]);
  if (changed === undefined) return;
  const files: Readonly<Record<string, string>> = { 'structure photo': structure.path, 'appearance photo': appearance.path, 'ViT weights': model.path };
  const where = files[changed];
  if (where) throw new InputError(`${where} is not the ${changed} that the run in ${folder} began with: put that one back, or start anew with another --out`);
  throw new InputError(`${join(folder, 'config.json')} has other ${changed} than the run began with: put them back, or start anew with another --out`);
}

/** @throws UsageError when the run is beyond `steps` already */
export function checkSteps({ splice }: TransferOptions, stepsDone: number): void {
  if (splice.steps < stepsDone) throw new UsageError(`--steps ${splice.steps} is below the ${stepsDone} steps that are done already: give ${stepsDone} or more`);
}

function objectOf(name: string, value: unknown): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields;
  throw new Error(`${name} is ${show(value)}`);
}

function textOf(name: string, value: unknown): string {
  if (typeof value === 'string' && value !== '' && !value.includes('\0')) return value;
  throw new Error(`${name} is ${show(value)}`);
}

function wholeOf(name: string, value: unknown): number {
  if (Number.isSafeInteger(value) && (value as number) > 0) return value as number;
  throw new Error(`${name} is ${show(value)}`);
}

const show = (value: unknown): string => (value === undefined ? 'missing' : JSON.stringify(value).slice(0, 60));

/** The command line that takes up the run in a folder. */
export const resumeCommand = (folder: string): string => `splice-gpu transfer --resume ${inShell(folder)}`;

/** A path as one types it. */
export const inShell = (path: string): string => (/^[\w./-]+$/.test(path) ? path : JSON.stringify(path));
