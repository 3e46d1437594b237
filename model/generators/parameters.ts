/** A model's parameters in one flat buffer, so that the optimiser is one launch for the whole model. */
import { alignedSize, leakyRelu, showShape, sizeOf, view, type Graph, type Shape, type Tensor } from '../../engine/index.js';
import type { Random } from '../random.js';
import type { Weight, Weights } from '../vit/config.js';

/** An image is too small for a generator. The message begins with the `need`. */
export class SizeError extends Error {
  override readonly name = 'SizeError';

  constructor(need: string, height: number, width: number) {
    super(`${need}, the image has ${width}x${height}: use a larger one`);
  }
}

/** A parameter of a generator, under the name it has in files. */
export interface ParameterSpec {
  readonly name: string;
  readonly shape: Shape;
  /** Decides the initial values. `embedding` is a learned token; `zero` starts as zeros: its branch adds nothing at first. */
  readonly kind: `${'conv' | 'norm' | 'linear'}.${'weight' | 'bias'}` | 'embedding' | 'zero';
  /**
   * False for the bias of a convolution that feeds a batch norm: the norm subtracts it again, its gradient is exactly zero, and
   * Adam would turn the rounding noise into full steps. Kept in files, not on the device.
   */
  readonly trained: boolean;
}

export interface Generator {
  readonly parameters: readonly ParameterSpec[];
  /**
   * The picture [1, 3, H, W] in 0..1 for a photo of the same size. `p` gives parameters by name; convolutions that feed a norm
   * take no bias. `activate` follows every norm; by default it is LeakyReLU of slope 0.2.
   */
  readonly forward: (p: (name: string) => Tensor, x: Tensor, activate?: (x: Tensor) => Tensor) => Tensor;
  /** @throws SizeError when images of this size are too small */
  readonly checkSize: (height: number, width: number) => void;
}

/** The activation of the published generators. */
export const leaky = (x: Tensor): Tensor => leakyRelu(x, 0.2);

/** Position of a trained parameter in the flat buffer. */
export interface Slice extends Pick<ParameterSpec, 'name' | 'shape'> {
  /** In elements. */
  readonly offset: number;
}

export interface Layout {
  readonly slices: readonly Slice[];
  /** Elements of the flat buffer. */
  readonly size: number;
}

/** Parameters one after the other, each where a view may begin. */
export function placed(parameters: readonly Omit<Slice, 'offset'>[]): Layout {
  let size = 0;
  const slices = parameters.map(({ name, shape }) => {
    const offset = size;
    size += alignedSize(shape);
    return { name, shape, offset };
  });
  return { slices, size };
}

export const layoutOf = ({ parameters }: Generator): Layout => placed(parameters.filter((p) => p.trained));

const roles = new WeakMap<Layout, Float32Array>();

/** For `globalNorm`: 0 for every element of a parameter, -1 in the gaps between them. One array for each layout. */
export function rolesOf(layout: Layout): Float32Array {
  const known = roles.get(layout) ?? new Float32Array(layout.size).fill(-1);
  if (roles.has(layout)) return known;
  for (const { shape, offset } of layout.slices) known.fill(0, offset, offset + sizeOf(shape));
  roles.set(layout, known);
  return known;
}

export type Bound = ReturnType<typeof bindParameters>;

/** The flat parameter `name` of a graph, and views of it in the layout's order and by name. */
export function bindParameters(g: Graph, name: string, { slices, size }: Layout) {
  const flat = g.parameter(name, [size]);
  const views = slices.map((s) => view(flat, s.shape, s.offset));
  const byName = new Map(slices.map((s, i) => [s.name, views[i]!]));
  const get = (key: string): Tensor => {
    const found = byName.get(key);
    if (!found) throw new Error(`no trained parameter is called ${key}`);
    return found;
  };
  return { flat, views, get };
}

/** Trained parameters in one array, in the layout's order; gaps are zero. @throws Error naming a missing or misshapen one */
export function flatten({ slices, size }: Layout, weights: Weights): Float32Array {
  const flat = new Float32Array(size);
  for (const { name, shape, offset } of slices) {
    const found = weights.get(name);
    if (!found || found.data.length !== sizeOf(shape)) {
      throw new Error(`${name} must be ${showShape(shape)}, the file has ${found ? showShape(found.shape) : 'none'}`);
    }
    flat.set(found.data, offset);
  }
  return flat;
}

/** All parameters by name from the flat array; those not trained come from `rest`. */
export function unflatten({ slices }: Layout, flat: Float32Array, rest: Weights): Map<string, Weight> {
  const result = new Map<string, Weight>(rest);
  for (const { name, shape, offset } of slices) result.set(name, { shape, data: flat.slice(offset, offset + sizeOf(shape)) });
  return result;
}

/**
 * Initial weights, those of convolutions and norms by `draws`. Other parameters, of which the recipes have none, are the same in
 * both sets: linear weights N(0, 1 / inputs), so that unit inputs give unit outputs, embeddings N(0, 1), the rest zeros.
 */
function initial({ parameters }: Generator, next: Random, draws: (p: ParameterSpec) => () => number): Map<string, Weight> {
  return new Map(parameters.map((p) => {
    const draw = p.kind === 'linear.weight' ? () => next.normal() / Math.sqrt(p.shape.at(-1)!)
      : p.kind === 'embedding' ? next.normal
      : p.kind === 'linear.bias' || p.kind === 'zero' ? () => 0
      : draws(p);
    return [p.name, { shape: p.shape, data: Float32Array.from({ length: sizeOf(p.shape) }, draw) }];
  }));
}

/** The paper's initial weights: Xavier normal with gain 0.02 (Glorot and Bengio 2010), norms N(1, 0.02), biases zero. */
export function xavierNormal(generator: Generator, next: Random): Map<string, Weight> {
  return initial(generator, next, ({ kind, shape }) => {
    if (kind === 'norm.weight') return () => 1 + 0.02 * next.normal();
    if (kind !== 'conv.weight') return () => 0;
    const [O, C, KH, KW] = shape as [number, number, number, number];
    const deviation = 0.02 * Math.sqrt(2 / (C * KH * KW + O * KH * KW));
    return () => deviation * next.normal();
  });
}

/** PyTorch's defaults: convolutions and their biases U(-b, b), b = 1 / sqrt(fan in), Kaiming's with a = sqrt 5; norms 1 and 0. */
export function kaimingUniform(generator: Generator, next: Random): Map<string, Weight> {
  let bound = 0;
  return initial(generator, next, ({ kind, shape }) => {
    if (kind === 'norm.weight') return () => 1;
    if (kind === 'norm.bias') return () => 0;
    if (kind === 'conv.weight') bound = 1 / Math.sqrt(shape[1]! * shape[2]! * shape[3]!); // its bias comes next in the list
    return () => next.between(-bound, bound);
  });
}

type Kind = 'conv' | 'norm' | 'linear';

/** Specs of a layer's weight and bias, for the generators' parameter lists. */
const layerSpec = (name: string, kind: Kind, weight: Shape, O: number, trainedBias = true): ParameterSpec[] => [
  { name: `${name}.weight`, shape: weight, kind: `${kind}.weight`, trained: true },
  { name: `${name}.bias`, shape: [O], kind: `${kind}.bias`, trained: trainedBias },
];
export const convSpec = (name: string, O: number, C: number, K: number, feedsNorm: boolean): ParameterSpec[] =>
  layerSpec(name, 'conv', [O, C, K, K], O, !feedsNorm);
export const normSpec = (name: string, C: number): ParameterSpec[] => layerSpec(name, 'norm', [C], C);
export const linearSpec = (name: string, O: number, C: number): ParameterSpec[] => layerSpec(name, 'linear', [O, C], O);
