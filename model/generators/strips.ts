/**
 * A generator on pictures larger than the device's memory: its graph is computed layer by layer, each layer in strips of rows. A
 * convolution also reads the true neighbours of its strip, and batch norm takes the statistics of the whole picture. So there are
 * no seams: the result is the untiled one within rounding. Between launches layers are kept in the computer's memory.
 */
import {
  batchnormGiven, concat, conv2d, crop, Graph, leakyRelu, schedule, sigmoid, sizeOf, upsample2x, view,
  type Conv2dOptions, type Engine, type Node, type Shape, type Tensor,
} from '../../engine/index.js';
import type { Image } from '../image.js';
import { runOnce } from '../runOnce.js';
import type { Weight } from '../vit/config.js';
import { channelMoments } from './channelMoments.js';
import { bindParameters, layoutOf, type Generator } from './parameters.js';

/** Rows from `from` up to, without, `to`. */
type Rows = { readonly from: number; readonly to: number };

/** Sources of a strip: layers [1, C, H, W] on the CPU, and statistics of whole layers by the batch norm's output for them. */
interface Known {
  readonly layers: Map<Tensor, Weight>;
  readonly statistics: Map<Tensor, Float32Array>;
}

/** A strip being built: its own graph, and values of the graph's inputs. */
interface Site {
  readonly g: Graph;
  readonly known: Known;
  readonly inputs: Map<string, Float32Array>;
}

const heightOf = (t: Tensor): number => t.shape[2]!;

const rowsOf = (x: Tensor, { from, to }: Rows): Tensor =>
  (from === 0 && to === heightOf(x) ? x : crop(x, from, 0, to - from, x.shape[3]!));

/** A parameter of the whole graph in the strip's. */
function parameter(g: Graph, t: Tensor): Tensor {
  const { op, inputs, attrs } = t.node as Node<{ name: string; shape: Shape; offset: number }>;
  return op.name === 'view' ? view(parameter(g, inputs[0]!), attrs.shape, attrs.offset) : g.parameter(attrs.name, attrs.shape);
}

function given({ g, inputs }: Site, name: string, shape: Shape, data: Float32Array): Tensor {
  inputs.set(name, data);
  return g.input(name, shape);
}

function fromKept(site: Site, t: Tensor, { shape, data }: Weight, { from, to }: Rows): Tensor {
  const [, C, H, W] = shape as [number, number, number, number];
  const name = `layer ${t.node.id}.${t.index} rows ${from}-${to}`;
  const part = site.inputs.get(name) ?? new Float32Array(C * (to - from) * W);
  for (let c = 0; c < C; c++) part.set(data.subarray((c * H + from) * W, (c * H + to) * W), c * (to - from) * W);
  return given(site, name, [1, C, to - from, W], part);
}

type Rule = (site: Site, node: Node, rows: Rows) => Tensor;

const convolved: Rule = (site, node, { from, to }) => {
  const [x, w, b] = node.inputs as [Tensor, Tensor, Tensor?];
  const options = node.attrs as Required<Conv2dOptions>;
  const { stride } = options;
  const reach = (w.shape[2]! - 1) / 2;
  const first = Math.max(0, Math.floor((stride * from - reach) / stride)); // a row of the output: the grid stays the picture's
  const end = Math.min(heightOf(x), stride * (to - 1) + reach + 1);
  const y = conv2d(strip(site, x, { from: stride * first, to: end }), parameter(site.g, w), b && parameter(site.g, b), options);
  return rowsOf(y, { from: from - first, to: to - first });
};

const enlarged: Rule = (site, node, { from, to }) => {
  const x = node.inputs[0]!;
  const { top, left, width } = node.attrs as { top: number; left: number; width: number };
  const first = Math.max(0, Math.floor((top + from) / 2) - 1);
  const end = Math.min(heightOf(x), Math.floor((top + to - 1) / 2) + 2);
  return upsample2x(strip(site, x, { from: first, to: end }), { top: top + from - 2 * first, left, height: to - from, width });
};

const normalised: Rule = (site, { inputs, outputs }, rows) => {
  const [x, statistics, [w, b]] = [inputs[0]!, outputs[1]!, inputs.slice(-2) as [Tensor, Tensor]];
  const values = site.known.statistics.get(statistics);
  if (!values) throw new Error(`strips: statistics of %${statistics.node.id} are needed before they are known`);
  const moments = given(site, `statistics ${statistics.node.id}`, statistics.shape, values);
  return batchnormGiven(strip(site, x, rows), moments, parameter(site.g, w), parameter(site.g, b));
};

/** Rows of an op's output from rows of its inputs, by the op's name. */
const rules: Readonly<Record<string, Rule>> = {
  conv2d: convolved,
  upsample2x: enlarged,
  batchnorm: normalised,
  concat: (site, { inputs }, rows) => concat(inputs.map((x) => strip(site, x, rows)), 1),
  leakyRelu: (site, { inputs, attrs }, rows) => leakyRelu(strip(site, inputs[0]!, rows), (attrs as { slope: number }).slope),
  sigmoid: (site, { inputs }, rows) => sigmoid(strip(site, inputs[0]!, rows)),
};

function strip(site: Site, t: Tensor, rows: Rows): Tensor {
  const kept = site.known.layers.get(t);
  if (kept) return fromKept(site, t, kept, rows);
  const rule = rules[t.node.op.name];
  if (!rule) throw new Error(`strips: no rule for ${t.node.op.name}`);
  return rule(site, t.node, rows);
}

/** Bytes on the device for a strip of `t`: slots, inputs and output. */
function stripBytes(t: Tensor, rows: Rows, known: Known): number {
  const { plan } = schedule([strip({ g: new Graph(), known, inputs: new Map() }, t, rows)]);
  const own = plan.storages.filter((s) => s.slot === undefined && s.leaf?.op.name !== 'parameter');
  return plan.slots.reduce((sum, bytes) => sum + bytes, 0) + own.reduce((sum, s) => sum + s.bytes, 0);
}

/** Rows of a strip, at least one: the layer's height, halved until a strip in its middle fits the budget. */
function stripHeight(t: Tensor, known: Known, budget: number): number {
  for (let rows = heightOf(t); ; rows = Math.ceil(rows / 2)) {
    const from = Math.floor((heightOf(t) - rows) / 2);
    if (rows === 1 || stripBytes(t, { from, to: from + rows }, known) <= budget) return rows;
  }
}

/** Computes a layer strip by strip and passes each to `take`, [1, C, rows, W]. */
async function eachStrip(
  engine: Engine, t: Tensor, known: Known, budget: number, take: (data: Float32Array, rows: Rows) => void,
): Promise<void> {
  const height = stripHeight(t, known, budget);
  for (let from = 0; from < heightOf(t); from += height) {
    const rows = { from, to: Math.min(heightOf(t), from + height) };
    const site: Site = { g: engine.graph(), known, inputs: new Map() };
    const { y } = await runOnce(engine, { y: strip(site, t, rows) }, site.inputs);
    take(y, rows);
  }
}

function keepStrip(kept: Weight, part: Float32Array, { from, to }: Rows): void {
  const [, C, H, W] = kept.shape as [number, number, number, number];
  for (let c = 0; c < C; c++) kept.data.set(part.subarray(c * (to - from) * W, (c + 1) * (to - from) * W), (c * H + from) * W);
}

const emptyLike = ({ shape }: Tensor): Weight => ({ shape, data: new Float32Array(sizeOf(shape)) });

/** The kept layers that a strip of `t` reads. Convolutions that a norm reads are kept, all other layers are computed again. */
function sourcesOf(t: Tensor, isKept: (t: Tensor) => boolean): Tensor[] {
  const isLayer = (x: Tensor): boolean => x.shape.length === 4 && x.node.op.memory === undefined;
  return t.node.inputs.flatMap((x) => (isKept(x) ? [x] : isLayer(x) ? sourcesOf(x, isKept) : []));
}

/**
 * The picture that the generator makes of `image`, with its weights in the flat parameter `weights`. A strip's program takes at
 * most `budget` bytes on the device. `onProgress` gets the work done so far, 0 to 1. @throws SizeError for too small an image
 */
export async function paintInStrips(
  engine: Engine, generator: Generator, image: Image, weights: string, budget: number, onProgress?: (share: number) => void,
): Promise<Image> {
  const { height, width } = image;
  generator.checkSize(height, width);
  const whole = new Graph();
  const photo = whole.input('photo', [1, 3, height, width]);
  const result = generator.forward(bindParameters(whole, weights, layoutOf(generator)).get, photo);
  const known: Known = { layers: new Map([[photo, { shape: photo.shape, data: image.data }]]), statistics: new Map() };

  /** Each norm with the layer it reads; a norm needs only those before it. */
  const norms = whole.nodes.filter(({ op }) => op.name === 'batchnorm').map((node) => ({ node, x: node.inputs[0]! }));
  const isKept = (t: Tensor): boolean => t === photo || (t.node.op.name === 'conv2d' && norms.some(({ x }) => x === t));
  const targets = [...norms.map(({ x }) => x), result];
  const lastUse = new Map(targets.flatMap((t, i) => sourcesOf(t, isKept).map((source) => [source, i] as const)));

  for (const [i, { node, x }] of norms.entries()) {
    const kept = isKept(x) ? emptyLike(x) : undefined;
    const moments = channelMoments(x.shape[1]!);
    await eachStrip(engine, x, known, budget, (part, rows) => {
      moments.add(part);
      if (kept) keepStrip(kept, part, rows);
    });
    known.statistics.set(node.outputs[1]!, moments.statistics((node.attrs as { eps: number }).eps));
    if (kept) known.layers.set(x, kept);
    for (const t of known.layers.keys()) if ((lastUse.get(t) ?? i) <= i && t !== x) known.layers.delete(t);
    onProgress?.((i + 1) / targets.length);
  }
  const picture = emptyLike(result);
  await eachStrip(engine, result, known, budget, (part, rows) => keepStrip(picture, part, rows));
  onProgress?.(1);
  return { width, height, data: picture.data };
}

/** Bytes on the device that the generator takes for a whole picture of this size, and of the largest tensor among them. */
export function wholeBytes(generator: Generator, { height, width }: Omit<Image, 'data'>): { total: number; largest: number } {
  const g = new Graph();
  const { get } = bindParameters(g, 'weights', layoutOf(generator));
  const { plan } = schedule([generator.forward(get, g.input('photo', [1, 3, height, width]))]);
  const total = plan.slots.reduce((sum, bytes) => sum + bytes, 0) + 2 * 12 * height * width; // slots, photo and result
  return { total, largest: Math.max(...plan.storages.map(({ bytes }) => bytes)) };
}
