/**
 * checkOp: a case declared once is tested forward, backward and for unwritten elements, in every kernel variant.
 * checkGolden: an op and its gradient against golden numbers.
 */
import * as assert from 'uvu/assert';
import {
  add, gradients, labelOf, mul, ShapeError, sizeOf, sum, type Engine, type Graph, type Program, type Shape, type Tensor,
} from '../../engine/index.js';
import { testedTunings, testEngine } from './device.js';
import { fill, golden, testImage, type GoldenTensor } from './golden.js';
import { draws, random } from './random.js';

export type Values = Record<string, Float64Array>;
type Numbers = Float64Array | number[];

export interface OpCase {
  /** Shapes of the inputs by name; values are random in [-1, 1). */
  readonly inputs: Record<string, Shape>;
  /** Other values for some inputs, from the random ones: `x => 3 * x`. They must stay away from kinks. */
  readonly values?: Record<string, (value: number, index: number) => number>;
  readonly build: (t: Record<string, Tensor>, g: Graph) => Tensor | Tensor[];
  /** The same in double precision, as plainly as possible; several outputs in order. */
  readonly reference: (v: Values) => Numbers | Numbers[];
  /** Inputs to differentiate by; default all. Empty for ops without a gradient. */
  readonly gradients?: readonly string[];
  /** Largest |difference| / largest |value|, for each row of an output. */
  readonly tolerance?: number;
  /** Elements of a row; default the last axis of the output. 1 for ops whose elements are each computed to full precision. */
  readonly rowLength?: number;
  /** Other shapes of the inputs: the program for them must use the same pipelines. */
  readonly resized?: Record<string, Shape>;
}

const TOLERANCE = 2e-5;
/** The largest relative error of rounding a number to float32. */
const ROUNDING = 2 ** -24;
/** The smallest float32 that has all its digits. */
const SMALLEST = 2 ** -126;
const MOST_GRADIENT_ROWS = 16;

const asList = <T>(x: T | T[]): T[] => (Array.isArray(x) ? x : [x]);
const outputsOf = (r: Numbers | Numbers[]): Float64Array[] =>
  (Array.isArray(r) && typeof r[0] !== 'number' ? (r as Numbers[]) : [r as Numbers]).map((a) => Float64Array.from(a));

const dot = (a: ArrayLike<number>, b: ArrayLike<number>): number => {
  let total = 0;
  for (let i = 0; i < a.length; i++) total += a[i]! * b[i]!;
  return total;
};

/** Largest |difference| over the largest |value| of `expected`. NaN anywhere gives NaN. */
export function relativeError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let worst = 0;
  let largest = SMALLEST;
  for (let i = 0; i < expected.length; i++) {
    const difference = Math.abs(actual[i]! - expected[i]!);
    if (!(difference <= worst)) worst = difference;
    largest = Math.max(largest, Math.abs(expected[i]!));
  }
  return worst / largest;
}

/** Asserts relativeError <= tolerance, naming what was compared. */
export function assertClose(what: string, actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void {
  assert.is(actual.length, expected.length, `${what}: length`);
  const error = relativeError(actual, expected);
  assert.ok(error <= tolerance, `${what}: relative error ${error.toExponential(2)} is above ${tolerance.toExponential(1)}`);
}

/** assertClose for each row on its own: next to the largest value of all rows, the error of a small row would be nothing. */
export function assertRowsClose(
  what: string, actual: Float32Array, expected: Float64Array, rowLength: number, tolerance: number,
): void {
  assert.is(actual.length, expected.length, `${what}: length`);
  for (let at = 0; at < expected.length; at += rowLength) {
    const [found, right] = [actual.subarray(at, at + rowLength), expected.subarray(at, at + rowLength)];
    if (!(relativeError(found, right) <= tolerance)) assertClose(`${what}, row ${at / rowLength}`, found, right, tolerance);
  }
}

/** Asserts that `build` throws a ShapeError whose message matches. */
export const assertRefused = (build: () => unknown, message: RegExp): void =>
  assert.throws(build, (e: Error) => e instanceof ShapeError && message.test(e.message));

/** Values of the inputs: as f32, so that GPU and reference start from the same numbers. */
function drawInputs({ inputs, values = {} }: OpCase): Values {
  const next = random(7);
  return Object.fromEntries(Object.entries(inputs).map(([name, shape]) => {
    const draw = draws(sizeOf(shape), next);
    const change = values[name];
    return [name, Float64Array.from(change ? draw.map(change) : draw)];
  }));
}

/** Central difference of sum(weights * outputs) along `direction`, in double. */
function slope(op: OpCase, v: Values, name: string, direction: Float32Array, weights: Float32Array[]): number {
  const eps = 1e-5;
  const at = (sign: number): number => {
    const moved = { ...v, [name]: v[name]!.map((x, i) => x + sign * eps * direction[i]!) };
    return outputsOf(op.reference(moved)).reduce((total, y, i) => total + dot(y, weights[i]!), 0);
  };
  return (at(1) - at(-1)) / (2 * eps);
}

/** The graph of a case: outputs `y0`, `y1`, ..., and the gradients of sum(weights * outputs) as `dNAME`. */
function buildCase(engine: Engine, op: OpCase, shapes: Record<string, Shape>) {
  const g = engine.graph();
  const tensors = Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, g.input(name, shape)]));
  const ys = asList(op.build(tensors, g));
  const next = random(11);
  const weights = ys.map((y) => draws(sizeOf(y.shape), next));
  const outputs = Object.fromEntries(ys.map((y, i) => [`y${i}`, y]));
  const wrt = op.gradients ?? Object.keys(shapes);
  if (wrt.length > 0) {
    const terms = ys.map((y, i) => sum(mul(y, g.constant(weights[i]!, y.shape))));
    const grads = gradients(terms.reduce((a, b) => add(a, b)), wrt.map((name) => tensors[name]!));
    wrt.forEach((name, i) => (outputs[`d${name}`] = grads[i]!));
  }
  return { ys, weights, wrt, outputs };
}

/** Compares the gradient by input `name` with the reference along random directions: of all elements, then of single rows. */
function checkGradient(op: OpCase, name: string, grad: Float32Array, v: Values, weights: Float32Array[], variant: string): void {
  assert.ok(grad.every(Number.isFinite), `${variant}: d${name} has elements that are not finite or were never written`);
  const tolerance = 5 * (op.tolerance ?? TOLERANCE);
  const checkAlong = (from: number, to: number, seed: number, least: number): void => {
    const direction = new Float32Array(grad.length);
    direction.set(draws(to - from, random(seed)), from);
    const [found, right] = [dot(grad, direction), slope(op, v, name, direction, weights)];
    const part = grad.subarray(from, to);
    const expected = Math.sqrt(dot(part, part) / 3); // of a random direction
    const error = Math.abs(found - right) / Math.max(expected, Math.abs(right), least);
    const what = `${variant}: d${name}, elements ${from} to ${to}, along a random direction`;
    assert.ok(error <= tolerance, `${what}: ${found} instead of ${right} (error ${error.toExponential(2)})`);
  };
  for (const seed of [1, 2, 3]) checkAlong(0, grad.length, 100 * seed + grad.length, 1e-9);
  const rowLength = op.inputs[name]!.at(-1) ?? 1;
  const rows = grad.length / rowLength;
  // Each element may differ by one rounding of the largest: sums of such terms have no smaller error.
  const rounding = ROUNDING * grad.reduce((most, d) => Math.max(most, Math.abs(d)), 0) * Math.sqrt(rowLength / 3);
  const step = Math.ceil(rows / MOST_GRADIENT_ROWS);
  for (let row = 0; row < rows; row += step) {
    checkAlong(row * rowLength, (row + 1) * rowLength, row, Math.max(rounding / tolerance, 1e-9));
  }
}

/** Asserts that the program for `shapes` uses the pipelines of `program` alone. */
async function checkResized(
  engine: Engine, op: OpCase, shapes: Record<string, Shape>, { launches }: Program, variant: string,
): Promise<void> {
  const known = new Set(launches.map(({ pipeline }) => pipeline));
  const program = await engine.compile(buildCase(engine, op, shapes).outputs);
  const others = program.launches.filter(({ pipeline }) => !known.has(pipeline)).map(({ node }) => labelOf(node));
  assert.equal(others, [], `${variant}: other sizes need other pipelines`);
  program.destroy();
}

/** Tests an op on one engine; `variant` names its kernels. */
export async function checkIn(engine: Engine, op: OpCase, variant: string): Promise<void> {
  const { ys, weights, wrt, outputs } = buildCase(engine, op, op.inputs);
  const v = drawInputs(op);
  const program = await engine.compile(outputs);
  for (const [name, data] of Object.entries(v)) program.write(name, Float32Array.from(data));
  program.run();
  const expected = outputsOf(op.reference(v));
  for (const [i, { node, shape }] of ys.entries()) {
    const what = `${variant}: ${node.op.name} output ${i}`;
    const rowLength = op.rowLength ?? shape.at(-1) ?? 1;
    assertRowsClose(what, await program.read(`y${i}`), expected[i]!, rowLength, op.tolerance ?? TOLERANCE);
  }
  for (const name of wrt) checkGradient(op, name, await program.read(`d${name}`), v, weights, variant);
  if (op.resized) await checkResized(engine, op, op.resized, program, variant);
  program.destroy();
}

/** Tests an op in every kernel variant; see the top of the file. */
export async function checkOp(op: OpCase): Promise<void> {
  for (const tuning of await testedTunings()) {
    const engine = await testEngine(tuning);
    await checkIn(engine, op, `${engine.tuning.name}, subgroups of ${engine.tuning.subgroupSize}`);
  }
}

/** An input of the golden ops, made by formula; `tag` names the set of golden files. */
type GoldenInput = (tag: string) => GoldenTensor;

export const photo: GoldenInput = (tag) => ({ shape: [1, 3, 37, 53], data: testImage(`${tag}.photo`, 37, 53) });
export const tokens = (scale: number, offset = 0, shape = [19, 48]): GoldenInput => (tag) =>
  ({ shape, data: fill(`${tag}.tokens`, shape, scale, offset) });

/** Compares `build(x)`, and its gradient if there are numbers for it, with the golden numbers `name`. */
export async function checkGolden(name: string, input: GoldenInput, build: (x: Tensor) => Tensor): Promise<void> {
  const { get, meta, tensors, tolerance } = golden('ops');
  const { shape, data } = input(meta['tag']);
  const engine = await testEngine();
  const g = engine.graph();
  const x = g.input('x', shape);
  const y = build(x);
  assert.equal(y.shape.slice(-2), get(name).shape.slice(-2));
  const outputs: Record<string, Tensor> = { [name]: y };
  const gradient = `grad.${name}`;
  if (tensors.has(gradient)) {
    const seed = g.constant(fill(`${meta['tag']}.seed.${name}`, y.shape), y.shape);
    outputs[gradient] = gradients(sum(mul(y, seed)), [x])[0]!;
  }
  const program = await engine.compile(outputs);
  program.write(x, data);
  program.run();
  for (const key of Object.keys(outputs)) assertClose(key, await program.read(key), get(key).data, tolerance(key));
  program.destroy();
}
