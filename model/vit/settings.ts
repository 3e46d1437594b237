/** What the shapes of weights cannot tell about a ViT, read from files beside them. */
import { ACTIVATIONS, type Activation } from './config.js';
import { CheckpointError } from './errors.js';

type Rgb = readonly [number, number, number];

/** What shapes cannot tell. Sources are merged: options over sidecar over defaults. */
export interface VitSettings {
  readonly heads?: number;
  /** Must agree with the weights: it guards against a sidecar of another model. */
  readonly patch?: number;
  readonly mean?: Rgb;
  readonly std?: Rgb;
  /** Of the MLP. CLIP models trained by others than OpenAI often have GELU. */
  readonly activation?: Activation;
}

/** Settings from a sidecar, a JSON object such as `{ "heads": 3, "patch": 16, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5] }`. */
export function parseSidecar(value: unknown): VitSettings {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new CheckpointError('a JSON object is expected');
  const { heads, patch, mean, std, activation } = value as Record<string, unknown>;
  return {
    ...(heads !== undefined && { heads: sizeField('heads', heads) }),
    ...(patch !== undefined && { patch: sizeField('patch', patch) }),
    ...(mean !== undefined && { mean: rgbField('mean', mean) }),
    ...(std !== undefined && { std: rgbField('std', std) }),
    ...(activation !== undefined && { activation: activationField(activation) }),
  };
}

/**
 * Settings from what Hugging Face puts beside its weights: `config.json` (heads and activation, of the image tower in a CLIP's) and
 * `preprocessor_config.json` (mean and std). Fields that are not there, or not understood, are left to the defaults.
 */
export function parseHuggingFace(config: unknown, preprocessor: unknown): VitSettings {
  const whole = objectOf(config);
  const tower = 'vision_config' in whole ? objectOf(whole['vision_config']) : whole;
  const { num_attention_heads: heads, hidden_act: activation } = tower;
  const { image_mean: mean, image_std: std } = objectOf(preprocessor);
  return {
    ...(heads !== undefined && { heads: sizeField('num_attention_heads', heads) }),
    ...(activation === 'gelu' && { activation }),
    ...(activation === 'quick_gelu' && { activation: 'quickGelu' }),
    ...(mean !== undefined && { mean: rgbField('mean', mean) }),
    ...(std !== undefined && { std: rgbField('std', std) }),
  };
}

const objectOf = (value: unknown): Record<string, unknown> => (typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {});

function sizeField(name: string, value: unknown): number {
  if (typeof value === 'number' && Number.isSafeInteger(value) && value >= 1) return value;
  throw new CheckpointError(`"${name}" is ${JSON.stringify(value)}: expected a whole number above 0`);
}

function rgbField(name: 'mean' | 'std', value: unknown): Rgb {
  const isRgb = Array.isArray(value) && value.length === 3 && value.every((v) => Number.isFinite(v) && (name === 'mean' || v > 0));
  if (isRgb) return value as unknown as Rgb;
  throw new CheckpointError(`"${name}" is ${JSON.stringify(value)}: expected three ${name === 'std' ? 'positive ' : ''}numbers, of red, green and blue`);
}

function activationField(value: unknown): Activation {
  const known = ACTIVATIONS.find((name) => name === value);
  if (known) return known;
  throw new CheckpointError(`"activation" is ${JSON.stringify(value)}: expected ${ACTIVATIONS.join(' or ')}`);
}

