/**
 * Feature inversion: a picture is sought whose features are those of a given one. What it shows is what the features hold. The picture
 * comes out of an untrained generator fed with fixed noise ("Deep image prior", Ulyanov, Vedaldi and Lempitsky, 2018), as the study behind
 * Splice did it, or is optimised pixel by pixel.
 */
import {
  adam, adamHyper, add, crop, gradients, mse, mul, normalize, pack, scale, selfSimilarity, shorterSideSize, sigmoid, slice,
  type Engine, type Graph, type Program, type Tensor,
} from '../../engine/index.js';
import { bindParameters, flatten, kaimingUniform, layoutOf, type Generator, type Layout } from '../generators/parameters.js';
import { skipNetwork } from '../generators/skip.js';
import { unet } from '../generators/unet.js';
import type { Image } from '../image.js';
import { random } from '../random.js';
import { resample } from '../resample.js';
import type { VitModel } from '../vit/config.js';
import { facetOf, type Facet } from '../vit/facets.js';
import { uploadVit, vitFeatures, vitLayers } from '../vit/vit.js';

/** `self-similarity` is that of the keys. */
export type InvertedFacet = 'cls' | Facet | 'self-similarity';
export const INVERTED_FACETS: readonly InvertedFacet[] = ['cls', 'keys', 'queries', 'values', 'tokens', 'self-similarity'];

/** `skip6` is the published one: six scales, wide windows, reflect padding. `skip` and `unet` are the generators of the two recipes. */
export type Painter = 'skip6' | 'skip' | 'unet' | 'pixels';
export const PAINTERS: readonly Painter[] = ['skip6', 'skip', 'unet', 'pixels'];

export interface InversionOptions {
  readonly facet: InvertedFacet;
  /** 0 is the first block. */
  readonly layer: number;
  readonly painter: Painter;
  readonly steps: number;
  readonly lr: number;
  /** New noise is added to the generator's input in every step, less and less of it: `NOISE`. */
  readonly noise: boolean;
  /** Weight of the total variation: mean squared differences of neighbouring pixels. */
  readonly tv: number;
  readonly seed: number;
  /** Shorter side of the picture and of the ViT's input in pixels. */
  readonly vitSize: number;
}

export interface Inversion {
  /** At the size of the inversion. */
  readonly target: Image;
  /** Submits one step. */
  readonly step: () => void;
  readonly stepsDone: () => number;
  /** Of the last step, the total variation included. */
  readonly loss: () => Promise<number>;
  /** Without added noise. */
  readonly result: () => Promise<Image>;
  /** Begins anew with other noise and weights. */
  readonly restart: (seed: number) => void;
  readonly destroy: () => void;
}

/** The generator's input has so many channels of normal noise. */
const CHANNELS = 32;
/** Deviation of the added noise: the published levels, from the start, from half and from three quarters of the steps on. */
export const NOISE: readonly (readonly [from: number, deviation: number])[] = [[0, 10], [0.5, 2], [0.75, 0.5]];

/** Names of an inversion's tensors in the engine; those of other painters and sizes have other lengths. */
const namesOf = (painter: Painter, { height, width }: Image) => {
  const base = `inversion.${painter}.${height}x${width}`;
  return { weights: base, momentum: `${base}.adam.m`, variance: `${base}.adam.v`, input: `${base}.input` } as const;
};
type Names = ReturnType<typeof namesOf>;

/** The generators that paint, for input of 32 channels. */
export const painters: Readonly<Record<Exclude<Painter, 'pixels'>, () => Generator>> = {
  skip6: () => skipNetwork({ down: [16, 32, 64, 128, 128, 128], windows: [7, 7, 5, 5, 3, 3], padding: 'reflect', inputChannels: CHANNELS }),
  skip: () => skipNetwork({ inputChannels: CHANNELS }),
  unet: () => unet({ inputChannels: CHANNELS }),
};

/** What is optimised, and the picture [1, 3, H, W] it gives. */
interface Canvas {
  /** Elements of the flat parameters. */
  readonly size: number;
  readonly paint: (g: Graph) => { readonly flat: Tensor; readonly trained: readonly Tensor[]; readonly picture: Tensor };
  readonly begin: (engine: Engine, seed: number) => void;
}

/** What is left of the whole patches of `image` at the ViT's size: the rest would get no gradient. */
function targetOf(image: Image, { patch }: VitModel['config'], vitSize: number): Image {
  const [height, width] = shorterSideSize(image.height, image.width, vitSize).map((side) => Math.max(patch, Math.floor(side / patch) * patch)) as [number, number];
  return resample(image, width, height);
}

function generatorCanvas(generator: Generator, names: Names, { height, width }: Image): Canvas {
  generator.checkSize(height, width);
  const layout: Layout = layoutOf(generator);
  const shape = [1, CHANNELS, height, width];
  return {
    size: layout.size,
    paint: (g) => {
      const bound = bindParameters(g, names.weights, layout);
      const input = add(g.parameter(names.input, shape), mul(g.input('noise', shape), g.input('level', [1])));
      return { flat: bound.flat, trained: bound.views, picture: generator.forward(bound.get, input) };
    },
    begin: (engine, seed) => {
      const draw = random(seed, 'inversion', 'input');
      engine.writeParameter(names.weights, [layout.size], flatten(layout, kaimingUniform(generator, random(seed, 'inversion', 'weights'))));
      engine.writeParameter(names.input, shape, Float32Array.from({ length: CHANNELS * height * width }, draw.normal));
    },
  };
}

/** Pixels are the sigmoid of what is optimised, so that they stay within 0..1. */
function pixelCanvas(names: Names, { height, width }: Image): Canvas {
  const size = 3 * height * width;
  return {
    size,
    paint: (g) => {
      const flat = g.parameter(names.weights, [1, 3, height, width]);
      return { flat, trained: [flat], picture: sigmoid(flat) };
    },
    begin: (engine, seed) => {
      const draw = random(seed, 'inversion', 'pixels');
      engine.writeParameter(names.weights, [1, 3, height, width], Float32Array.from({ length: size }, draw.normal));
    },
  };
}

/** The features that are inverted, of a picture [1, 3, H, W] in 0..1. */
function featuresOf(g: Graph, vit: VitModel, picture: Tensor, { facet, layer }: InversionOptions): Tensor {
  const x = normalize(picture, vit.config.mean, vit.config.std);
  if (facet === 'cls' && layer === vit.config.depth - 1) return vitFeatures(g, vit, x).cls;
  const of = vitLayers(g, vit, x)[layer];
  if (!of) throw new RangeError(`${vit.name} has layers 0 to ${vit.config.depth - 1}, asked for ${layer}`);
  if (facet === 'cls') return slice(of.tokens, 1, 0, 1);
  return facet === 'self-similarity' ? selfSimilarity(facetOf(of, 'keys')) : facetOf(of, facet);
}

/** Mean squared difference of each pixel to its right and lower neighbours. */
function totalVariation(picture: Tensor): Tensor {
  const [H, W] = [picture.shape[2]!, picture.shape[3]!];
  return add(
    mse(crop(picture, 0, 0, H - 1, W), crop(picture, 1, 0, H - 1, W)),
    mse(crop(picture, 0, 0, H, W - 1), crop(picture, 0, 1, H, W - 1)),
  );
}

function stepGraph(g: Graph, vit: VitModel, canvas: Canvas, names: Names, target: Tensor['shape'], options: InversionOptions): Record<string, Tensor> {
  const { flat, trained, picture } = canvas.paint(g);
  const distance = mse(featuresOf(g, vit, picture, options), g.input('target', target));
  const loss = options.tv > 0 ? add(distance, scale(totalVariation(picture), options.tv)) : distance;
  const gradient = gradients(loss, trained);
  const dw = options.painter === 'pixels' ? gradient[0]! : pack(gradient);
  const { w } = adam(flat, g.parameter(names.momentum, flat.shape), g.parameter(names.variance, flat.shape), dw, g.input('hyper', [6]));
  return { weights: w, loss };
}

async function featuresNow(engine: Engine, vit: VitModel, target: Image, options: InversionOptions): Promise<{ data: Float32Array; shape: Tensor['shape'] }> {
  const g = engine.graph();
  const features = featuresOf(g, vit, g.input('picture', [1, 3, target.height, target.width]), options);
  const program = await engine.compile({ features });
  try {
    program.write('picture', target.data);
    program.run();
    return { data: await program.read('features'), shape: features.shape };
  } finally {
    program.destroy();
  }
}

/** Parts of one long row of normal numbers, each step another: drawing millions anew would take longer than the step. */
function noiseSource(seed: number, size: number): (step: number) => Float32Array {
  const draw = random(seed, 'inversion', 'noise');
  const spare = Math.min(size, 1 << 16);
  const pool = Float32Array.from({ length: size + spare }, draw.normal);
  return (step) => {
    const from = random(seed, 'inversion', 'noise', step).integer(0, spare);
    return pool.subarray(from, from + size);
  };
}

/** Prepares the inversion of `image`'s features. @throws RangeError for a layer the ViT has not, Error when the picture is too small for the generator */
export async function startInversion(engine: Engine, vit: VitModel, image: Image, options: InversionOptions): Promise<Inversion> {
  const target = targetOf(image, vit.config, options.vitSize);
  const { height, width } = target;
  const names = namesOf(options.painter, target);
  const canvas = options.painter === 'pixels' ? pixelCanvas(names, target) : generatorCanvas(painters[options.painter](), names, target);
  uploadVit(engine, vit);
  const wanted = await featuresNow(engine, vit, target, options);
  canvas.begin(engine, options.seed);
  const program: Program = await engine.compile(stepGraph(engine.graph(), vit, canvas, names, wanted.shape, options));
  const resultProgram = await engine.compile({ picture: canvas.paint(engine.graph()).picture });
  const shape = options.painter === 'pixels' ? [1, 3, height, width] : [canvas.size];
  const silence = new Float32Array(options.painter === 'pixels' ? 0 : CHANNELS * height * width);
  let stepsDone = 0;
  let noise: ReturnType<typeof noiseSource> | undefined;

  const restart = (seed: number): void => {
    canvas.begin(engine, seed);
    for (const name of [names.momentum, names.variance]) engine.writeParameter(name, shape, new Float32Array(canvas.size));
    noise = options.noise && options.painter !== 'pixels' ? noiseSource(seed, silence.length) : undefined;
    program.write('target', wanted.data);
    if (!noise && silence.length > 0) program.write('noise', silence);
    program.write('level', [0]);
    stepsDone = 0;
  };
  restart(options.seed);

  return {
    target,
    step: () => {
      if (noise) {
        program.write('noise', noise(stepsDone));
        program.write('level', [NOISE.findLast(([from]) => stepsDone >= from * options.steps)![1]]);
      }
      program.write('hyper', adamHyper({ lr: options.lr }, ++stepsDone));
      program.run();
    },
    stepsDone: () => stepsDone,
    loss: async () => (await program.read('loss'))[0]!,
    result: async () => {
      if (silence.length > 0) resultProgram.write('noise', silence);
      resultProgram.write('level', [0]);
      resultProgram.run();
      return { width, height, data: await resultProgram.read('picture') };
    },
    restart,
    destroy: () => {
      program.destroy();
      resultProgram.destroy();
    },
  };
}
