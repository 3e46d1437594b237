/**
 * A generator on pictures larger than the device's memory: its graph is walked layer by layer, each layer strip by strip of whole rows.
 * What a convolution needs beyond its strip are its true neighbours, and batch norm's statistics are those of the whole picture, so that
 * strips leave no seams: the result is the untiled one within rounding. Layers wait in the computer's memory between launches.
 */
import {
  batchnormGiven, concat, conv2d, crop, Graph, leakyRelu, schedule, sigmoid, upsample2x, view,
  type Conv2dOptions, type Engine, type Node, type Shape, type Tensor,
} from '../../engine/index.js';
import { channelMoments } from './channelMoments.js';
import { bindParameters, layoutOf, type Generator } from './parameters.js';
import type { Image } from '../image.js';

/** Rows from `from` up to `to`. */
interface Rows {
  readonly from: number;
  readonly to: number;
}

/** A tensor [1, C, H, W] kept on the CPU. */
interface Kept {
  readonly shape: Shape;
  readonly data: Float32Array;
}

/** What a strip is made from: kept layers, and statistics of whole layers by the node that asks for them. */
interface Known {
  readonly layers: Map<Tensor, Kept>;
  readonly statistics: Map<Tensor, Float32Array>;
}

export interface StripOptions {
  /** Name of the flat parameter buffer that holds the generator's weights. */
  readonly weights: string;
  /** Bytes that one strip's program may take on the device. */
  readonly budget: number;
  /** Called with the work done so far, 0 to 1. */
  readonly onProgress?: (share: number) => void;
}

const heightOf = (t: Tensor): number => t.shape[2]!;

/** Builds the part of layers that a strip of one of them needs, in a graph of its own. */
function stripBuilder(g: Graph, known: Known) {
  const inputs = new Map<string, Float32Array>();

  const parameter = (t: Tensor): Tensor => {
    const { op, attrs } = t.node as Node<{ name: string; shape: Shape; offset: number }>;
    return op.name === 'view' ? view(parameter(t.node.inputs[0]!), attrs.shape, attrs.offset) : g.parameter(attrs.name, attrs.shape);
  };
  const given = (name: string, shape: Shape, data: Float32Array): Tensor => {
    inputs.set(name, data);
    return g.input(name, shape);
  };
  const fromKept = (t: Tensor, { shape, data }: Kept, { from, to }: Rows): Tensor => {
    const [, C, H, W] = shape as [number, number, number, number];
    const name = `layer ${t.node.id}.${t.index} rows ${from}-${to}`;
    const strip = inputs.get(name) ?? new Float32Array(C * (to - from) * W);
    for (let c = 0; c < C; c++) strip.set(data.subarray((c * H + from) * W, (c * H + to) * W), c * (to - from) * W);
    return given(name, [1, C, to - from, W], strip);
  };

  const convolved = (node: Node<Required<Conv2dOptions>>, { from, to }: Rows): Tensor => {
    const [x, w, b] = node.inputs as [Tensor, Tensor, Tensor?];
    const { stride } = node.attrs;
    const reach = (w.shape[2]! - 1) / 2;
    const first = Math.max(0, Math.floor((stride * from - reach) / stride)); // in rows of the output: the lattice stays the picture's
    const end = Math.min(heightOf(x), stride * (to - 1) + reach + 1);
    const y = conv2d(strip(x, { from: stride * first, to: end }), parameter(w), b && parameter(b), node.attrs);
    return rowsOf(y, { from: from - first, to: to - first });
  };
  const enlarged = (node: Node<{ top: number; left: number; height: number; width: number }>, { from, to }: Rows): Tensor => {
    const x = node.inputs[0]!;
    const { top, left, width } = node.attrs;
    const first = Math.max(0, Math.floor((top + from) / 2) - 1);
    const end = Math.min(heightOf(x), Math.floor((top + to - 1) / 2) + 2);
    return upsample2x(strip(x, { from: first, to: end }), { top: top + from - 2 * first, left, height: to - from, width });
  };

  /** Rows of a layer. */
  const strip = (t: Tensor, rows: Rows): Tensor => {
    const kept = known.layers.get(t);
    if (kept) return fromKept(t, kept, rows);
    const { op, inputs: from, attrs } = t.node;
    if (op.name === 'conv2d') return convolved(t.node as Node<Required<Conv2dOptions>>, rows);
    if (op.name === 'upsample2x') return enlarged(t.node as Parameters<typeof enlarged>[0], rows);
    if (op.name === 'concat') return concat(from.map((x) => strip(x, rows)), 1);
    if (op.name === 'leakyRelu') return leakyRelu(strip(from[0]!, rows), (attrs as { slope: number }).slope);
    if (op.name === 'sigmoid') return sigmoid(strip(from[0]!, rows));
    if (op.name === 'batchnorm') {
      const [x, statistics, [w, b]] = [from[0]!, t.node.outputs[1]!, from.slice(-2) as [Tensor, Tensor]];
      const values = known.statistics.get(statistics);
      if (!values) throw new Error(`strips: statistics of %${statistics.node.id} are asked for before they are known`);
      return batchnormGiven(strip(x, rows), given(`statistics ${statistics.node.id}`, statistics.shape, values), parameter(w), parameter(b));
    }
    throw new Error(`strips: no rule for ${op.name}`);
  };
  return { strip, inputs };
}

const rowsOf = (x: Tensor, { from, to }: Rows): Tensor => (from === 0 && to === heightOf(x) ? x : crop(x, from, 0, to - from, x.shape[3]!));

/** Bytes on the device for a strip of `t`: slots, inputs and output. */
function stripBytes(t: Tensor, rows: Rows, known: Known): number {
  const { strip } = stripBuilder(new Graph(), known);
  const { plan } = schedule([strip(t, rows)]);
  const own = plan.storages.filter((s) => s.slot === undefined && s.leaf?.op.name !== 'parameter');
  return plan.slots.reduce((sum, bytes) => sum + bytes, 0) + own.reduce((sum, s) => sum + s.bytes, 0);
}

/** As many rows as the budget allows, at least one. */
function stripHeight(t: Tensor, known: Known, budget: number): number {
  const H = heightOf(t);
  let rows = H;
  while (rows > 1 && stripBytes(t, { from: Math.floor((H - rows) / 2), to: Math.floor((H - rows) / 2) + rows }, known) > budget) rows = Math.ceil(rows / 2);
  return rows;
}

/** Computes a layer strip by strip and hands each on, [1, C, rows, W]. */
async function eachStrip(engine: Engine, t: Tensor, known: Known, budget: number, take: (data: Float32Array, rows: Rows) => void): Promise<void> {
  const height = stripHeight(t, known, budget);
  for (let from = 0; from < heightOf(t); from += height) {
    const rows = { from, to: Math.min(heightOf(t), from + height) };
    const g = engine.graph();
    const { strip, inputs } = stripBuilder(g, known);
    const program = await engine.compile({ y: strip(t, rows) });
    try {
      for (const [name, data] of inputs) program.write(name, data);
      program.run();
      take(await program.read('y'), rows);
    } finally {
      program.destroy();
    }
  }
}

function keepStrip(kept: Kept, strip: Float32Array, { from, to }: Rows): void {
  const [, C, H, W] = kept.shape as [number, number, number, number];
  for (let c = 0; c < C; c++) kept.data.set(strip.subarray(c * (to - from) * W, (c + 1) * (to - from) * W), (c * H + from) * W);
}

const emptyLike = ({ shape }: Tensor): Kept => ({ shape, data: new Float32Array(shape.reduce((n, s) => n * s, 1)) });

/** The kept layers that a strip of `t` reads, were it built now: convolutions that a norm looks at are kept, all else is made again. */
function sourcesOf(t: Tensor, isKept: (t: Tensor) => boolean): Tensor[] {
  return t.node.inputs.flatMap((x) => (isKept(x) ? [x] : x.shape.length === 4 && x.node.op.memory === undefined ? sourcesOf(x, isKept) : []));
}

/** The picture that the generator, its weights on the device, makes of `image`. @throws Error when the generator cannot take the size */
export async function paintInStrips(engine: Engine, generator: Generator, image: Image, { weights, budget, onProgress }: StripOptions): Promise<Image> {
  const { height, width } = image;
  generator.checkSize(height, width);
  const whole = new Graph();
  const photo = whole.input('photo', [1, 3, height, width]);
  const result = generator.forward(bindParameters(whole, weights, layoutOf(generator)).get, photo);
  const known: Known = { layers: new Map([[photo, { shape: photo.shape, data: image.data }]]), statistics: new Map() };

  /** Each norm with the layer it looks at, in an order in which each needs only those before it. */
  const norms = whole.nodes.filter(({ op }) => op.name === 'batchnorm').map((node) => ({ node, x: node.inputs[0]! }));
  const isKept = (t: Tensor): boolean => t === photo || (t.node.op.name === 'conv2d' && norms.some(({ x }) => x === t));
  const targets = [...norms.map(({ x }) => x), result];
  const lastUse = new Map(targets.flatMap((t, i) => sourcesOf(t, isKept).map((source) => [source, i] as const)));

  for (const [i, { node, x }] of norms.entries()) {
    const kept = isKept(x) ? emptyLike(x) : undefined;
    const moments = channelMoments(x.shape[1]!);
    await eachStrip(engine, x, known, budget, (strip, rows) => {
      moments.add(strip);
      if (kept) keepStrip(kept, strip, rows);
    });
    known.statistics.set(node.outputs[1]!, moments.statistics((node.attrs as { eps: number }).eps));
    if (kept) known.layers.set(x, kept);
    for (const source of [...known.layers.keys()]) if ((lastUse.get(source) ?? i) <= i && source !== x) known.layers.delete(source);
    onProgress?.((i + 1) / targets.length);
  }
  const picture = emptyLike(result);
  await eachStrip(engine, result, known, budget, (strip, rows) => keepStrip(picture, strip, rows));
  onProgress?.(1);
  return { width, height, data: picture.data };
}

/** Bytes on the device that the generator takes for a picture of this size at once, and of the largest tensor among them. */
export function wholeBytes(generator: Generator, { height, width }: Pick<Image, 'height' | 'width'>): { total: number; largest: number } {
  const g = new Graph();
  const { plan } = schedule([generator.forward(bindParameters(g, 'weights', layoutOf(generator)).get, g.input('photo', [1, 3, height, width]))]);
  const total = plan.slots.reduce((sum, bytes) => sum + bytes, 0) + 2 * 12 * height * width; // slots, photo and result
  return { total, largest: Math.max(...plan.storages.map(({ bytes }) => bytes)) };
}
