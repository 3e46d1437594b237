/** Options of a training as JSON holds them: read from a file that anybody may have written, and in one form to compare. */
import { isCount } from '../files/json.js';
import {
  BEGINNING, PRECISIONS, RECIPE_NAMES, defaultOptions, unsteadied, type SpliceOptions, type Steadying,
} from './options.js';

export type Fields = Readonly<Record<string, unknown>>;

/** The same limit as on the command line. */
export const MAX_SIDE = 8192;

export const show = (value: unknown): string => (value === undefined ? 'missing' : JSON.stringify(value).slice(0, 60));

/** @throws Error unless every field is of its default's type: lists of numbers, whole counts, and no other number below 0 */
export function checkLike<T extends object>(fields: Fields, defaults: T, counts: readonly (keyof T)[]): void {
  for (const [name, value] of Object.entries(defaults)) {
    const found = fields[name];
    const isOfType = Array.isArray(value) ? Array.isArray(found) && found.every(Number.isFinite)
      : typeof found === typeof value && (typeof found !== 'number' || (Number.isFinite(found) && found >= 0));
    const isWhole = !counts.includes(name as keyof T) || [found].flat().every(isCount);
    if (!isOfType || !isWhole) throw new Error(`options.${name} is ${show(found)}`);
  }
}

/** @throws Error unless the recipe and the precision are known ones */
export function checkMethod(fields: Fields): void {
  for (const [name, known] of [['recipe', RECIPE_NAMES], ['precision', PRECISIONS]] as const) {
    if (!known.some((each) => each === fields[name])) throw new Error(`options.${name} is ${show(fields[name])}`);
  }
}

/** An object whose text does not depend on the order of its fields. */
const sorted = (fields: Fields): Fields => Object.fromEntries(Object.entries(fields).sort().map(([name, value]) =>
  [name, typeof value === 'object' && value !== null && !Array.isArray(value) ? sorted(value as Fields) : value]));

/** The settings of a run that must not change, as text. `steps` may be raised, so they are left out. */
export const settingsText = ({ steps: _, ...settings }: Fields): string => JSON.stringify(sorted(settings));

/** @throws Error for a share or a list of layers that the command line refuses */
function checkSteadying({ ema, lrDecay, lrWarmup, warmLook, keyLayers }: Steadying): void {
  const areLayers = Array.isArray(keyLayers) && keyLayers.every(isCount);
  const right = {
    ema: ema < 1, lrDecay: lrDecay <= 1, lrWarmup: lrWarmup <= 1, warmLook: warmLook <= 1, keyLayers: areLayers,
  };
  const wrong = Object.entries(right).find(([, isRight]) => !isRight);
  if (wrong) throw new Error(`options.${wrong[0]} is out of range`);
}

/** Parts that are missing are switched off. @throws Error naming the field that is wrong */
export function parseSplice(saved: Fields): SpliceOptions {
  const fields = { ...saved, ...unsteadied, ...saved }; // in the order of the file, which result.png repeats
  checkLike(fields, defaultOptions, ['steps', 'seed', 'warmStart', 'vitSize']);
  checkSteadying(fields);
  for (const name of BEGINNING) {
    if (saved[name] !== undefined && !isCount(saved[name])) throw new Error(`options.${name} is ${show(saved[name])}`);
  }
  const splice = fields as Fields as unknown as SpliceOptions;
  checkMethod(fields);
  for (const name of ['steps', 'vitSize', 'lr'] as const) {
    if (splice[name] === 0) throw new Error(`options.${name} is 0`);
  }
  if (splice.vitSize > MAX_SIDE) throw new Error(`options.vitSize is ${splice.vitSize}`);
  return splice;
}
