/** `bench kernels`: every launch of a real training step, one by one, and variants of each side by side. */
import {
  candidateTunings, createEngine, labelOf, median, noise, showShape, single, sizeOf, timeRuns,
  type Engine, type LeafAttrs, type Node, type Program, type Roof,
} from '../../engine/index.js';
import { random } from '../../model/random.js';
import { plannedVit } from './models.js';
import type { Measured } from './result.js';
import { distinctLaunches, plannedStep, type Repeated, type StepOptions } from './setting.js';
import { digits, percent, table } from '../shared/table.js';
import type { NamedVariant } from './variants.js';

export interface KernelsRequest extends Omit<StepOptions, 'recipe'> {
  readonly models: readonly string[];
  readonly recipes: readonly StepOptions['recipe'][];
  readonly repeats: number;
  readonly filter?: string;
  /** Also the candidates of calibration. */
  readonly all: boolean;
  readonly variants: readonly NamedVariant[];
}

/** A launch under one variant of its kernel. */
export interface KernelRow extends Measured {
  readonly op: string;
  readonly variant: string;
  /** Equal launches in a step. */
  readonly count: number;
  readonly gflops: number;
  readonly gbPerSecond: number;
  /** Share of the nearer of the two ceilings: the time at the ceiling over the measured time. */
  readonly ofRoof: number;
  /** Largest difference from the usual kernel's outputs, as a share of their largest value; absent for the usual kernel. */
  readonly error: number | undefined;
}

/** A measurement is a run of equal launches that takes at least this long. */
const LEAST_MS = 5;

interface Candidate {
  readonly name: string;
  readonly engine: Engine;
  /** The op that it has a kernel for; all when absent. */
  readonly op?: string;
}

/** The usual kernels first, then calibration's candidates, then the user's. All engines share one device. */
function candidates(engine: Engine, { all, variants }: KernelsRequest): Candidate[] {
  const { device, tuning } = engine;
  const others = all ? Object.entries(candidateTunings(tuning)) : [];
  return [
    { name: 'usual', engine },
    ...others.map(([name, changes]) => ({ name, engine: createEngine(device, { tuning: { ...tuning, ...changes } }) })),
    ...variants.map(({ name, op, kernel }) =>
      ({ name, op, engine: createEngine(device, { tuning, kernels: { [op]: kernel } }) })),
  ];
}

/** The first of the candidates for a launch with each kernel. */
function distinct(node: Node, found: readonly Candidate[]): Candidate[] {
  const mine = found.filter(({ op }) => op === undefined || op === node.op.name);
  const texts = mine.map(({ engine }) => JSON.stringify(engine.kernelOf(node)));
  return mine.filter(({ op }, i) => op !== undefined || texts.indexOf(texts[i]!) === i);
}

/** The launches of all models and recipes by op, those with most work first. */
async function casesOf(engine: Engine, request: KernelsRequest): Promise<Repeated[]> {
  const cases = new Map<string, Repeated>();
  for (const model of request.models) {
    const vit = await plannedVit(model);
    for (const recipe of request.recipes) {
      for (const found of distinctLaunches(engine, plannedStep({ ...request, recipe }, vit, () => engine.graph()))) {
        const name = nameOf(found.node);
        if (request.filter && !name.includes(request.filter)) continue;
        const known = cases.get(name);
        if (!known || known.count < found.count) cases.set(name, found);
      }
    }
  }
  return [...cases.values()].sort((a, b) => a.node.op.name.localeCompare(b.node.op.name) || work(b.node) - work(a.node));
}

const work = (node: Node): number => [...node.inputs, ...node.outputs].reduce((sum, t) => sum + sizeOf(t.shape), 0);

/** `linear [2, 785, 384] [1152, 384] [1152]`: the op, the shapes it reads (or writes, if it reads none), its attributes. */
function nameOf(node: Node): string {
  const plain = Object.entries(node.attrs as object).filter(([, v]) => ['number', 'string', 'boolean'].includes(typeof v));
  const attributes = plain.map(([key, value]) => `${key}=${value}`);
  const shapes = (node.inputs.length > 0 ? node.inputs : node.outputs).map((t) => showShape(t.shape));
  return [node.op.name, ...shapes, ...attributes].join(' ');
}

export async function measureKernels(
  request: KernelsRequest, engine: Engine, roof: Roof, onRow: (row: KernelRow) => void,
): Promise<KernelRow[]> {
  const rows: KernelRow[] = [];
  const all = candidates(engine, request);
  try {
    for (const found of await casesOf(engine, request)) {
      for (const row of await measureCase(found, distinct(found.node, all), request.repeats, roof)) {
        rows.push(row);
        onRow(row);
      }
    }
  } finally {
    for (const { engine: other } of all) if (other !== engine) other.destroy();
  }
  return rows;
}

/** Measures all variants of a launch in turn, `repeats` times, so that a disturbance affects all of them. */
async function measureCase(
  { node, count }: Repeated, variants: readonly Candidate[], repeats: number, roof: Roof,
): Promise<KernelRow[]> {
  const runs: { variant: string; program: Program; error: number | undefined; batch: number; times: number[] }[] = [];
  let expected: Float32Array[] | undefined;
  for (const { name: variant, engine } of variants) {
    const program = await prepared(node, engine);
    const outputs = await outputsOf(program);
    const error = expected && Math.max(...outputs.map((y, i) => difference(y, expected![i]!)));
    expected ??= outputs;
    await timeRuns(program, 1);
    const once = await timeRuns(program, 1);
    const batch = Math.min(256, Math.max(1, Math.ceil(LEAST_MS / Math.max(once, 1e-3))));
    runs.push({ variant, program, error, batch, times: [] });
  }
  for (let i = 0; i < repeats; i++) for (const { program, batch, times } of runs) times.push(await timeRuns(program, batch));
  return runs.map(({ variant, program, times, error }) => {
    const { flops = 0 } = program.launches[0]!.kernel;
    const bytes = work(node) * 4;
    const ms = median(times);
    const atRoof = Math.max(flops / roof.gflops, bytes / roof.gbPerSecond) / 1e6;
    program.destroy();
    return {
      name: `${nameOf(node)}${variant === 'usual' ? '' : ` (${variant})`}`,
      op: node.op.name, variant, count, ms, noise: noise(times),
      gflops: flops / ms / 1e6, gbPerSecond: bytes / ms / 1e6, ofRoof: atRoof / ms, error,
    };
  });
}

/** The launch alone, its inputs filled with numbers of both signs. */
async function prepared(node: Node, engine: Engine): Promise<Program> {
  const program = await engine.compile(single(node));
  const next = random(7, labelOf(node));
  for (const leaf of program.schedule.leaves) {
    const { name, shape } = leaf.attrs as LeafAttrs;
    program.write(name, Float32Array.from({ length: sizeOf(shape) }, () => next.between(-1, 1)));
  }
  return program;
}

/** The outputs of one run, except overwritten inputs. */
async function outputsOf(program: Program): Promise<Float32Array[]> {
  program.run();
  const names = Object.keys(program.base.outputs).slice(program.launches[0]!.node.op.inPlace ?? 0);
  const outputs: Float32Array[] = [];
  for (const name of names) outputs.push(await program.read(name));
  return outputs;
}

function difference(a: Float32Array, b: Float32Array): number {
  let [worst, largest] = [0, 1e-30];
  for (let i = 0; i < b.length; i++) {
    if (Number.isNaN(a[i]!) && Number.isNaN(b[i]!)) continue; // random inputs may be outside the op's domain
    const d = Math.abs(a[i]! - b[i]!);
    if (!(d <= worst)) worst = d;
    largest = Math.max(largest, Math.abs(b[i]!));
  }
  return worst / largest;
}

export function kernelsReport(rows: readonly KernelRow[]): string {
  const withErrors = rows.some((row) => row.error !== undefined);
  const head = ['launch', 'a step', 'ms', 'noise', 'GFLOP/s', 'GB/s', 'of roof', ...(withErrors ? ['differs'] : [])];
  const lines = rows.map((r) => [
    r.name, `${r.count}x`, digits(r.ms), percent(r.noise), digits(r.gflops), digits(r.gbPerSecond), percent(r.ofRoof),
    ...(withErrors ? [r.error === undefined ? '' : r.error.toExponential(1)] : []),
  ]);
  return table([head, ...lines]);
}
