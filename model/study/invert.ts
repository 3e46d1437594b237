/**
 * Feature inversion: optimises a picture until its features are those of a given one; it shows what the features hold. The
 * picture is the output of an untrained generator for fixed noise ("Deep image prior", Ulyanov, Vedaldi and Lempitsky, 2018), as
 * in the study that Splice is based on, or is optimised pixel by pixel.
 */
import {
  adam, adamHyper, add, crop, gradients, mse, mul, normalize, pack, scale, selfSimilarity, shorterSideSize, sigmoid, sizeOf,
  slice, type Engine, type Graph, type Program, type Shape, type Tensor,
} from '../../engine/index.js';
import { bindParameters, flatten, kaimingUniform, layoutOf, type Generator } from '../generators/parameters.js';
import { skipNetwork } from '../generators/skip.js';
import { unet } from '../generators/unet.js';
import type { Image } from '../image.js';
import { random } from '../random.js';
import { resample } from '../resample.js';
import { runOnce } from '../runOnce.js';
import { rateAt } from '../training/steps.js';
import type { VitModel } from '../vit/config.js';
import { facetOf, uploadVit, vitFeatures, vitLayers } from '../vit/vit.js';
import type { InversionOptions, Painter } from './options.js';

export type Inversion = Awaited<ReturnType<typeof startInversion>>;

/** Channels of normal noise in a generator's input. */
const CHANNELS = 32;
/** Deviation of the added noise: the published levels, from the start, from half and from three quarters of the steps on. */
export const NOISE: readonly (readonly [from: number, deviation: number])[] = [[0, 10], [0.5, 2], [0.75, 0.5]];

const normals = (length: number, seed: number, what: string): Float32Array =>
  Float32Array.from({ length }, random(seed, 'inversion', what).normal);

const published = { down: [16, 32, 64, 128, 128, 128], windows: [7, 7, 5, 5, 3, 3], padding: 'reflect' } as const;

/** The generators that paint, for input of 32 channels. */
export const painters: Readonly<Record<Exclude<Painter, 'pixels'>, () => Generator>> = {
  skip6: () => skipNetwork({ ...published, inputChannels: CHANNELS }),
  skip: () => skipNetwork({ inputChannels: CHANNELS }),
  unet: () => unet({ inputChannels: CHANNELS }),
};

/** The optimised parameters, and the picture [1, 3, H, W] that they give. */
interface Canvas {
  /** Name and shape of the parameters in the engine. Other painters and sizes have other lengths, so also other names. */
  readonly name: string;
  readonly shape: Shape;
  /** Elements of the noise that is added to the input, 0 without an input. */
  readonly noise: number;
  readonly paint: (g: Graph) => { readonly flat: Tensor; readonly trained: readonly Tensor[]; readonly picture: Tensor };
  readonly begin: (engine: Engine, seed: number) => void;
}

/** The part of `image` in whole patches at the ViT's size: other pixels would get no gradient. */
function targetOf(image: Image, { patch }: VitModel['config'], vitSize: number): Image {
  const whole = (side: number): number => Math.max(patch, Math.floor(side / patch) * patch);
  const [height, width] = shorterSideSize(image.height, image.width, vitSize);
  return resample(image, whole(width), whole(height));
}

function generatorCanvas(generator: Generator, name: string, { height, width }: Image): Canvas {
  generator.checkSize(height, width);
  const layout = layoutOf(generator);
  const [input, shape] = [`${name}.input`, [1, CHANNELS, height, width]];
  return {
    name,
    shape: [layout.size],
    noise: sizeOf(shape),
    paint: (g) => {
      const { flat, views, get } = bindParameters(g, name, layout);
      const noisy = add(g.parameter(input, shape), mul(g.input('noise', shape), g.input('level', [1])));
      return { flat, trained: views, picture: generator.forward(get, noisy) };
    },
    begin: (engine, seed) => {
      const weights = kaimingUniform(generator, random(seed, 'inversion', 'weights'));
      engine.writeParameter(name, [layout.size], flatten(layout, weights));
      engine.writeParameter(input, shape, normals(sizeOf(shape), seed, 'input'));
    },
  };
}

/** Pixels are the sigmoid of the parameters, so that they stay within 0..1. */
function pixelCanvas(name: string, { height, width }: Image): Canvas {
  const shape = [1, 3, height, width];
  return {
    name,
    shape,
    noise: 0,
    paint: (g) => {
      const flat = g.parameter(name, shape);
      return { flat, trained: [flat], picture: sigmoid(flat) };
    },
    begin: (engine, seed) => engine.writeParameter(name, shape, normals(sizeOf(shape), seed, 'pixels')),
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

const momentsOf = (name: string) => [`${name}.adam.m`, `${name}.adam.v`] as const;

function stepGraph(g: Graph, vit: VitModel, canvas: Canvas, target: Shape, options: InversionOptions): Record<string, Tensor> {
  const { flat, trained, picture } = canvas.paint(g);
  const distance = mse(featuresOf(g, vit, picture, options), g.input('target', target));
  const loss = options.tv > 0 ? add(distance, scale(totalVariation(picture), options.tv)) : distance;
  const gradient = gradients(loss, trained);
  const dw = options.painter === 'pixels' ? gradient[0]! : pack(gradient);
  const [m, v] = momentsOf(canvas.name).map((name) => g.parameter(name, flat.shape)) as [Tensor, Tensor];
  return { weights: adam(flat, m, v, dw, g.input('hyper', [6])).w, loss };
}

/** Parts of one long row of normal numbers, another one in each step: new numbers would take longer than the step. */
function noiseSource(seed: number, size: number): (step: number) => Float32Array {
  const spare = Math.min(size, 1 << 16);
  const pool = normals(size + spare, seed, 'noise');
  return (step) => {
    const from = random(seed, 'inversion', 'noise', step).integer(0, spare);
    return pool.subarray(from, from + size);
  };
}

/** Adds no noise to the input of a canvas that takes some. */
function silence(program: Program, { noise }: Canvas): void {
  if (noise === 0) return;
  program.write('noise', new Float32Array(noise));
  program.write('level', [0]);
}

/** Prepares an inversion. @throws RangeError for a layer that the ViT lacks, SizeError for a picture too small for a generator */
export async function startInversion(engine: Engine, vit: VitModel, image: Image, options: InversionOptions) {
  const target = targetOf(image, vit.config, options.vitSize);
  const { height, width } = target;
  const { painter } = options;
  const name = `inversion.${painter}.${height}x${width}`;
  const canvas = painter === 'pixels' ? pixelCanvas(name, target) : generatorCanvas(painters[painter](), name, target);
  uploadVit(engine, vit);
  const g = engine.graph();
  const features = featuresOf(g, vit, g.input('picture', [1, 3, height, width]), options);
  const wanted = (await runOnce(engine, { features }, [['picture', target.data]])).features;
  const program = await engine.compile(stepGraph(engine.graph(), vit, canvas, features.shape, options));
  const resultProgram = await engine.compile({ picture: canvas.paint(engine.graph()).picture });
  let stepsDone = 0;
  let noise: ReturnType<typeof noiseSource> | undefined;

  const restart = (seed: number): void => {
    canvas.begin(engine, seed);
    for (const name of momentsOf(canvas.name)) engine.writeParameter(name, canvas.shape, new Float32Array(sizeOf(canvas.shape)));
    noise = options.noise && canvas.noise > 0 ? noiseSource(seed, canvas.noise) : undefined;
    program.write('target', wanted);
    silence(program, canvas);
    stepsDone = 0;
  };
  restart(options.seed);

  return {
    /** At the size of the inversion. */
    target,
    step: (): void => {
      if (noise) {
        program.write('noise', noise(stepsDone));
        program.write('level', [NOISE.findLast(([from]) => stepsDone >= from * options.steps)![1]]);
      }
      program.write('hyper', adamHyper({ lr: rateAt(options, 'train', stepsDone) }, ++stepsDone));
      program.run();
    },
    stepsDone: (): number => stepsDone,
    /** Of the last step, with the total variation. */
    loss: async (): Promise<number> => (await program.read('loss'))[0]!,
    /** Without added noise. */
    result: async (): Promise<Image> => {
      silence(resultProgram, canvas);
      resultProgram.run();
      return { width, height, data: await resultProgram.read('picture') };
    },
    /** Starts again with other noise and weights. */
    restart,
    destroy: (): void => {
      program.destroy();
      resultProgram.destroy();
    },
  };
}
