/** The picture of a trained result and of detail that is above its band, tile by tile. */
import {
  add, applyGain, guidedGain, resize, resizeSources, scale, sub, type Graph, type ResizeOptions, type Tensor,
} from '../../engine/index.js';
import type { Image } from '../image.js';
import { runOnce, type Computing } from '../runOnce.js';
import { backProject } from './backProjection.js';
import { cut, sizeOfBox, tilesOf, type Box, type Size } from './planes.js';

/** Planes [C, height, width]. */
interface Planes {
  readonly size: Size;
  readonly data: Float32Array;
}

export interface Layers {
  /** The structure photo at full size. */
  readonly structure: Image;
  /** The trained result. */
  readonly result: Image;
  /** The result below the band in which detail is added, and the structure photo at its size. */
  readonly low: Image;
  readonly lowStructure: Image;
  /** The result with texture, at full size; absent without. */
  readonly texture?: Image | undefined;
}

export interface ComposeOptions {
  /** Weights of the structure's detail and of the texture's. */
  readonly gain: number;
  readonly texture: number;
  readonly radius: number;
  readonly eps: number;
  readonly tile: number;
}

const cubic = { mode: 'bicubic', antialias: true } as const;
const linear = { mode: 'bilinear' } as const;

const planesOf = ({ height, width, data }: Image): Planes => ({ size: [height, width], data });

/** The part of planes of `from` that a box of them resampled to `to` reads. */
function sourcesOf(from: Size, to: Size, box: Box, options: ResizeOptions): Box {
  const along = [0, 1].map((axis) =>
    resizeSources(from[axis]!, to[axis]!, box.from[axis]!, box.to[axis]! - box.from[axis]!, options));
  return { from: [along[0]![0], along[1]![0]], to: [along[0]![1], along[1]![1]] };
}

/** A tile being built: its graph, and the values of the graph's inputs. */
class Site {
  readonly inputs = new Map<string, Float32Array>();
  constructor(readonly g: Graph, readonly size: Size) {}

  /** A box of planes at full size. */
  given(name: string, { size, data }: Planes, box: Box): Tensor {
    this.inputs.set(name, cut(data, size, box));
    return this.g.input(name, [1, data.length / (size[0] * size[1]), ...sizeOfBox(box)]);
  }

  /** A box of planes resampled to full size. */
  enlarged(name: string, planes: Planes, box: Box, options: ResizeOptions = cubic): Tensor {
    const sources = sourcesOf(planes.size, this.size, box, options);
    const part = { input: planes.size, output: this.size, x: sources.from, y: box.from };
    return resize(this.given(name, planes, sources), sizeOfBox(box), { ...options, part });
  }
}

/** The gain of `result` over `structure`, both small: [9, height, width]. */
async function gainOf(engine: Computing, structure: Image, result: Image, radius: number, eps: number): Promise<Planes> {
  const size = planesOf(result).size;
  const g = engine.graph();
  const [guide, x] = [g.input('structure', [1, 3, ...size]), g.input('result', [1, 3, ...size])];
  const gain = guidedGain(guide, x, Math.min(radius, ...size.map((side) => side - 1)), eps);
  const read = await runOnce(engine, { gain }, [['structure', structure.data], ['result', result.data]]);
  return { size, data: read.gain };
}

/** A tile of the picture: the enlarged result and all weighted detail, whatever its band. */
async function tileOf(
  engine: Computing, layers: Layers, gain: Planes, box: Box, weights: Pick<ComposeOptions, 'gain' | 'texture'>,
): Promise<Float32Array> {
  const { structure, result, lowStructure, texture } = layers;
  const site = new Site(engine.graph(), planesOf(structure).size);
  const blurred = site.enlarged('lowStructure', planesOf(lowStructure), box);
  const detail = sub(site.given('structure', planesOf(structure), box), blurred);
  const painted = scale(applyGain(site.enlarged('gain', gain, box, linear), detail), weights.gain);
  const drawn = add(site.enlarged('result', planesOf(result), box), painted);
  const tile = texture ? add(drawn, scale(site.given('texture', planesOf(texture), box), weights.texture)) : drawn;
  return (await runOnce(engine, { tile }, site.inputs)).tile;
}

/**
 * The result enlarged to the structure's size plus, above the band of `low`, `gain` times the structure's detail in the result's
 * colours and `texture` times the texture's; reduced to the size of `low`, it is `low`. `onPart` gets shares of the work.
 */
export async function compose(
  engine: Computing, layers: Layers, options: ComposeOptions, onPart: (share: number) => void,
): Promise<Image> {
  const { width, height } = layers.structure;
  const gain = await gainOf(engine, layers.lowStructure, layers.low, options.radius, options.eps);
  const data = new Float32Array(3 * height * width);
  for (const box of tilesOf([height, width], options.tile)) {
    const tile = await tileOf(engine, layers, gain, box, options);
    const [rows, columns] = sizeOfBox(box);
    for (let row = 0; row < 3 * rows; row++) {
      const line = Math.floor(row / rows) * height + box.from[0] + (row % rows);
      data.set(tile.subarray(row * columns, (row + 1) * columns), line * width + box.from[1]);
    }
    onPart((rows * columns) / (height * width));
  }
  const image = { width, height, data };
  backProject(image, layers.low);
  return image;
}
