/** A model's parameters in one flat buffer, so that the optimiser is one launch for the whole model. */
import { alignedSize, leakyRelu, sizeOf, view, type Graph, type Shape, type Tensor } from '../../engine/index.js';
import type { Random } from '../random.js';
import type { Weight, Weights } from '../vit/config.js';

/** A parameter of a generator, under the name it has in files. */
export interface ParameterSpec {
  readonly name: string;
  readonly shape: Shape;
  /** What it is, which decides how it starts. `embedding` is a learned token; `zero` starts as zeros, so that a branch behind it starts silent. */
  readonly kind: 'conv.weight' | 'conv.bias' | 'norm.weight' | 'norm.bias' | 'linear.weight' | 'linear.bias' | 'embedding' | 'zero';
  /**
   * False for the bias of a convolution that feeds a batch norm: the norm takes it out again, its gradient is exactly zero,
   * and Adam would turn the rounding noise into full steps. Kept in files, not on the device.
   */
  readonly trained: boolean;
}

export interface Generator {
  readonly parameters: readonly ParameterSpec[];
  /**
   * The picture [1, 3, H, W] in 0..1 for a photo of the same size. `p` gives parameters by name; convolutions that feed a norm
   * ask for no bias. `activate` stands behind every norm; LeakyReLU of slope 0.2 unless told otherwise.
   */
  readonly forward: (p: (name: string) => Tensor, x: Tensor, activate?: (x: Tensor) => Tensor) => Tensor;
  /** @throws Error when the generator cannot take images of this size, with the smallest it can */
  readonly checkSize: (height: number, width: number) => void;
}

/** The activation of the published generators. */
export const leaky = (x: Tensor): Tensor => leakyRelu(x, 0.2);

/** Where a trained parameter lies in the flat buffer. */
export interface Slice {
  readonly name: string;
  readonly shape: Shape;
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

/** The trained parameters of a generator. */
export const layoutOf = ({ parameters }: Generator): Layout => placed(parameters.filter((p) => p.trained));

/** Views of the flat parameter `name`, in the layout's order and by name. */
export function bindParameters(g: Graph, name: string, { slices, size }: Layout): { flat: Tensor; views: Tensor[]; get: (name: string) => Tensor } {
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
      throw new Error(`${name} must be [${shape.join(', ')}], the file has ${found ? `[${found.shape.join(', ')}]` : 'none'}`);
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

const filled = ({ shape }: ParameterSpec, draw: () => number): Weight => ({ shape, data: Float32Array.from({ length: sizeOf(shape) }, draw) });

/** Inputs and outputs of one unit of a convolution weight [O, C, KH, KW]. */
const fans = ([O, C, KH, KW]: Shape): { fanIn: number; fanOut: number } => ({ fanIn: C! * KH! * KW!, fanOut: O! * KH! * KW! });

/**
 * Parameters outside convolutions, alike in both recipes, neither of which has any: linear weights N(0, 1 / inputs), so that unit
 * inputs give unit outputs, embeddings N(0, 1), the rest zeros. Absent for the recipes' own kinds.
 */
function beyondConvolutions(p: ParameterSpec, next: Random): Weight | undefined {
  switch (p.kind) {
    case 'linear.weight': return filled(p, () => next.normal() / Math.sqrt(p.shape.at(-1)!));
    case 'embedding': return filled(p, () => next.normal());
    case 'linear.bias': case 'zero': return filled(p, () => 0);
    default: return undefined;
  }
}

/** The paper's initial weights: Xavier normal with gain 0.02 (Glorot and Bengio 2010), norms N(1, 0.02), biases zero. */
export function xavierNormal({ parameters }: Generator, next: Random): Map<string, Weight> {
  return new Map(parameters.map((p) => {
    const other = beyondConvolutions(p, next);
    if (other) return [p.name, other];
    if (p.kind === 'conv.weight') {
      const { fanIn, fanOut } = fans(p.shape);
      const deviation = 0.02 * Math.sqrt(2 / (fanIn + fanOut));
      return [p.name, filled(p, () => deviation * next.normal())];
    }
    return [p.name, filled(p, p.kind === 'norm.weight' ? () => 1 + 0.02 * next.normal() : () => 0)];
  }));
}

/** PyTorch's defaults: convolutions Kaiming uniform with a = sqrt 5, that is U(-b, b) with b = 1/sqrt(fan in), biases alike; norms 1 and 0. */
export function kaimingUniform({ parameters }: Generator, next: Random): Map<string, Weight> {
  let bound = 0;
  return new Map(parameters.map((p) => {
    const other = beyondConvolutions(p, next);
    if (other) return [p.name, other];
    if (p.kind === 'conv.weight') bound = 1 / Math.sqrt(fans(p.shape).fanIn); // its bias comes next in the list
    const isConv = p.kind === 'conv.weight' || p.kind === 'conv.bias';
    return [p.name, filled(p, isConv ? () => next.between(-bound, bound) : () => (p.kind === 'norm.weight' ? 1 : 0))];
  }));
}

/** Specs of a convolution and of a norm, for the generators' parameter lists. */
export const convSpec = (name: string, O: number, C: number, K: number, feedsNorm: boolean): ParameterSpec[] => [
  { name: `${name}.weight`, shape: [O, C, K, K], kind: 'conv.weight', trained: true },
  { name: `${name}.bias`, shape: [O], kind: 'conv.bias', trained: !feedsNorm },
];
export const normSpec = (name: string, C: number): ParameterSpec[] => [
  { name: `${name}.weight`, shape: [C], kind: 'norm.weight', trained: true },
  { name: `${name}.bias`, shape: [C], kind: 'norm.bias', trained: true },
];
export const linearSpec = (name: string, O: number, C: number): ParameterSpec[] => [
  { name: `${name}.weight`, shape: [O, C], kind: 'linear.weight', trained: true },
  { name: `${name}.bias`, shape: [O], kind: 'linear.bias', trained: true },
];
