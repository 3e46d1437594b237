/** The picture of a trained result and of detail that is above its band, tile by tile. */
import {
  add, applyGain, crop, guidedGain, resize, resizeSources, scale, sub, type Engine, type Graph, type ResizeOptions, type Tensor,
} from '../../engine/index.js';
import type { Image } from '../image.js';
import { runOnce } from '../runOnce.js';
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
async function gainOf(engine: Engine, structure: Image, result: Image, radius: number, eps: number): Promise<Planes> {
  const size = planesOf(result).size;
  const g = engine.graph();
  const [guide, x] = [g.input('structure', [1, 3, ...size]), g.input('result', [1, 3, ...size])];
  const gain = guidedGain(guide, x, Math.min(radius, ...size.map((side) => side - 1)), eps);
  const read = await runOnce(engine, { gain }, [['structure', structure.data], ['result', result.data]]);
  return { size, data: read.gain };
}

/** A tile of the picture: the enlarged result, and all of the weighted detail that is above the low band. */
async function tileOf(
  engine: Engine, layers: Layers, gain: Planes, box: Box, weights: Pick<ComposeOptions, 'gain' | 'texture'>,
): Promise<Float32Array> {
  const { structure, result, low, lowStructure, texture } = layers;
  const [full, small] = [planesOf(structure).size, planesOf(low).size];
  const lowBox = sourcesOf(small, full, box, cubic);
  const wide = sourcesOf(full, small, lowBox, cubic);
  const site = new Site(engine.graph(), full);
  const blurred = site.enlarged('lowStructure', planesOf(lowStructure), wide);
  const detail = sub(site.given('structure', planesOf(structure), wide), blurred);
  const painted = applyGain(site.enlarged('gain', gain, wide, linear), detail);
  const drawn = scale(add(site.enlarged('low', planesOf(low), wide), painted), weights.gain);
  const all = texture ? add(drawn, scale(site.given('texture', planesOf(texture), wide), weights.texture)) : drawn;
  const below = resize(all, sizeOfBox(lowBox), { ...cubic, part: { input: full, output: small, x: wide.from, y: lowBox.from } });
  const part = { input: small, output: full, x: lowBox.from, y: box.from };
  const own = crop(all, box.from[0] - wide.from[0], box.from[1] - wide.from[1], ...sizeOfBox(box));
  const above = sub(own, resize(below, sizeOfBox(box), { ...cubic, part }));
  const tile = add(site.enlarged('result', planesOf(result), box), above);
  return (await runOnce(engine, { tile }, site.inputs)).tile;
}

/**
 * The result enlarged to the structure's size, plus, above the band of `low`, `gain` times the structure's detail in the result's
 * colours and `texture` times the texture's. `onPart` gets shares of the work, which add up to 1.
 */
export async function compose(
  engine: Engine, layers: Layers, options: ComposeOptions, onPart: (share: number) => void,
): Promise<Image> {
  const { width, height } = layers.structure;
  const gain = await gainOf(engine, layers.lowStructure, layers.low, options.radius, options.eps);
  const data = new Float32Array(3 * height * width);
  for (const box of tilesOf([height, width], options.tile)) {
    const tile = await tileOf(engine, layers, gain, box, options);
    const [rows, columns] = sizeOfBox(box);
    for (let at = 0; at < 3 * rows; at++) {
      const [c, y] = [Math.floor(at / rows), at % rows];
      const start = (c * height + box.from[0] + y) * width + box.from[1];
      for (let x = 0; x < columns; x++) data[start + x] = Math.min(1, Math.max(0, tile[at * columns + x]!));
    }
    onPart((rows * columns) / (height * width));
  }
  return { width, height, data };
}
