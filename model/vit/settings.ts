/** Settings of a ViT that the shapes of its weights do not determine, from files next to them. */
import { isCount, isObject } from '../files/json.js';
import { ACTIVATIONS, type Activation, type Neuron } from './config.js';
import { CheckpointError } from './errors.js';

type Rgb = readonly [number, number, number];

/** Sources are merged: options over sidecar over defaults. */
export interface VitSettings {
  readonly heads?: number;
  /** Must agree with the weights, which detects a sidecar of another model. */
  readonly patch?: number;
  readonly mean?: Rgb;
  readonly std?: Rgb;
  /** Of the MLP. CLIP models that OpenAI did not train often have GELU. */
  readonly activation?: Activation;
  /** Test-time registers: see `registers.ts`. */
  readonly registerNeurons?: readonly Neuron[];
}

const isSize = (value: unknown): boolean => Number.isSafeInteger(value) && (value as number) >= 1;
const isNeuron = (value: unknown): boolean =>
  Array.isArray(value) && value.length === 2 && value.every(isCount);
const isRgb = (value: unknown): boolean => Array.isArray(value) && value.length === 3 && value.every(Number.isFinite);

/** For each setting, what it must be, and in words. */
const rules: Readonly<Record<keyof VitSettings, readonly [isValid: (value: unknown) => boolean, expected: string]>> = {
  heads: [isSize, 'a whole number above 0'],
  patch: [isSize, 'a whole number above 0'],
  mean: [isRgb, 'three numbers, of red, green and blue'],
  std: [(value) => isRgb(value) && (value as number[]).every((v) => v > 0), 'three positive numbers, of red, green and blue'],
  registerNeurons: [(value) => Array.isArray(value) && value.length > 0 && value.every(isNeuron), 'pairs of layer and unit'],
  activation: [(value) => ACTIVATIONS.some((known) => known === value), ACTIVATIONS.join(' or ')],
};

/** The settings among `fields`. @throws CheckpointError naming a wrong one, by `names` if it is there */
function settingsOf(fields: Readonly<Record<string, unknown>>, names: Readonly<Record<string, string>> = {}): VitSettings {
  const given = Object.entries(rules).filter(([name]) => fields[name] !== undefined);
  for (const [name, [isValid, expected]] of given) {
    if (isValid(fields[name])) continue;
    throw new CheckpointError(`"${names[name] ?? name}" is ${JSON.stringify(fields[name])}: expected ${expected}`);
  }
  return Object.fromEntries(given.map(([name]) => [name, fields[name]]));
}

/** Settings from a sidecar, a JSON object such as `{ "heads": 3, "mean": [0.5, 0.5, 0.5] }`. @throws CheckpointError */
export function parseSidecar(value: unknown): VitSettings {
  if (!isObject(value)) throw new CheckpointError('a JSON object is expected');
  return settingsOf(value);
}

/**
 * Settings from Hugging Face's files: `config.json` (heads and activation; in CLIP's, those of the image tower) and
 * `preprocessor_config.json` (mean and std). Absent fields and unknown activations get the defaults. @throws CheckpointError
 */
export function parseHuggingFace(config: unknown, preprocessor: unknown): VitSettings {
  const whole = objectOf(config);
  const { num_attention_heads: heads, hidden_act: act } = 'vision_config' in whole ? objectOf(whole['vision_config']) : whole;
  const { image_mean: mean, image_std: std } = objectOf(preprocessor);
  const activation = act === 'quick_gelu' ? 'quickGelu' : act === 'gelu' ? act : undefined;
  return settingsOf({ heads, activation, mean, std }, { heads: 'num_attention_heads' });
}

const objectOf = (value: unknown): Record<string, unknown> => (isObject(value) ? value : {});
