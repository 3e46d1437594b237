/** `bench step`: a training step by part and by op, its cost on the processor, and its planned memory. */
import {
  median, noise, profile, type Engine, type Program, type ProfileRow, type Roof, type Schedule, type Tensor,
} from '../../engine/index.js';
import { memoryNeed, wideGraph, type MemoryNeed } from '../../model/training/memoryNeed.js';
import { uploadVit } from '../../model/vit/vit.js';
import { scenePath } from '../demo/files.js';
import { readImage } from '../photos/photo.js';
import type { AdapterSummary } from '../gpu/device.js';
import { digits, mib, percent, table } from '../shared/table.js';
import { readCompiled } from './compiled.js';
import { benchVit, plannedVit } from './models.js';
import { launchFacts } from './prediction.js';
import { gpuOf, predictionFor, predictionLine } from './predictStep.js';
import type { Measured } from './result.js';
import { cropsStep, plannedSetting, plannedStep, settingOf, type StepOptions } from './setting.js';

export interface StepRequest extends StepOptions {
  readonly model: string;
  readonly repeats: number;
  readonly filter?: string;
  /** Also the launches one by one, equal ones in one row. */
  readonly launches?: boolean;
}

/** The figures of a plan, before anything is computed. */
const planFigures = ({ plan, launches }: Schedule) => ({
  launches: launches.length,
  /** Bytes of the slots that all programs share, and a lower bound of any plan: the largest sum of tensors alive at once. */
  slotBytes: plan.slots.reduce((sum, bytes) => sum + bytes, 0),
  lowerBoundBytes: plan.lowerBound,
  largestSlotBytes: plan.slots[0] ?? 0,
});

/** The plan of a step and of a whole run with photos of that size on a GPU, without one. */
export async function planStep(request: StepRequest) {
  const vit = await plannedVit(request.model);
  const run = memoryNeed(plannedSetting(request, vit), undefined, undefined, wideGraph);
  return { ...planFigures(plannedStep(request, vit, wideGraph)), run };
}

/** The memory of a run: its steps on whole photos are the largest. */
export const runReport = ({ total, slots, lowerBound, largest }: MemoryNeed): string =>
  `memory of a run ${mib(total)}: ${mib(slots)} for its largest step (lower bound ${mib(lowerBound)}), ` +
  `largest buffer ${mib(largest)}, the rest weights, photos and constants`;

export function planReport({ slotBytes, lowerBoundBytes, largestSlotBytes, launches }: ReturnType<typeof planFigures>): string {
  const bound = `lower bound ${mib(lowerBoundBytes)} (${(100 * (slotBytes / lowerBoundBytes - 1)).toFixed(1)}% above)`;
  return `memory of the step ${mib(slotBytes)} planned, ${bound}, largest buffer ${mib(largestSlotBytes)}, ${launches} launches`;
}

/** Loads photos and ViT onto the device. The returned function makes the outputs of a step with crops of any size. */
export async function stepOutputs(
  request: StepOptions & { readonly model: string }, engine: Engine,
): Promise<(crop: number) => Record<string, Tensor>> {
  const { size } = request;
  const vit = await benchVit(request.model);
  const photo = (kind: 'valley' | 'peaks') => readImage(scenePath(kind), { shorterSide: size });
  const setting = settingOf(request, vit, await photo('valley'), await photo('peaks'));
  uploadVit(engine, setting.vit);
  return (crop) => cropsStep(engine.graph(), crop, size, setting);
}

export type StepFigures = Awaited<ReturnType<typeof measureStep>>;

/** The cost of a step next to the device's ceilings. Times are medians of the repeats, in milliseconds. */
export async function measureStep(request: StepRequest, engine: Engine, adapter: AdapterSummary, roof: Roof) {
  const { size, repeats } = request;
  const graph = await stepOutputs(request, engine);
  const [program, compileMs] = await timed(() => engine.compile(graph(size)));
  const [, adaptMs] = await timed(async () => program.variant(graph(size - 1)));
  const { encode, step } = await timeSteps(engine, program, repeats);
  const profiles: (readonly ProfileRow[])[] = [];
  for (let i = 0; i < repeats; i++) profiles.push((await profile(program, 1)).rows);
  const launchRows = profiles[0]!.map((row, i) => ({ ...row, ms: median(profiles.map((p) => p[i]!.ms)) }));
  const facts = program.launches.map(({ node, kernel }) => launchFacts(node, kernel));
  return {
    ...planFigures(program.schedule),
    pipelines: engine.pipelines.size(),
    /** Building and planning the graph, compiling its pipelines, making its bind groups. */
    compileMs,
    /** Building the graph for another crop size and adapting the program to it. */
    adaptMs,
    /** CPU time to encode and submit a step. */
    encodeMs: median(encode),
    /** A step from submit to done. */
    stepMs: median(step),
    /** Bytes of the engine's parameters, constants and slots, and of inputs and outputs. */
    heldBytes: engine.buffers.heldBytes() + program.ownBytes(),
    /** The time at the ceilings, and the prediction for a GPU of this kind. */
    roof,
    roofMs: launchRows.reduce((sum, row) => sum + ceilingMs(row, roof), 0),
    predicted: predictionFor(facts, await readCompiled(), gpuOf(adapter, roof)),
    rows: [summary('step', step), summary('encode', encode), ...sums(profiles, 'part'), ...sums(profiles, 'op')],
    launchRows,
  };
}

/** Encodings after which V8 has compiled the loop, which happens in the first steps of a training. */
const PRACTICE = 50;

/** Milliseconds to encode and submit, and from submit to done, of each run after the first. */
async function timeSteps(engine: Engine, program: Program, repeats: number): Promise<{ encode: number[]; step: number[] }> {
  program.run();
  await engine.sync();
  for (let i = 0; i < PRACTICE; i++) encodeOnly(engine, program);
  const [encode, step]: [number[], number[]] = [[], []];
  for (let i = 0; i < repeats; i++) {
    const start = performance.now();
    program.run();
    encode.push(performance.now() - start);
    await engine.sync();
    step.push(performance.now() - start);
  }
  return { encode, step };
}

/** Records a step and drops it. */
function encodeOnly(engine: Engine, program: Program): void {
  const encoder = engine.device.createCommandEncoder();
  const pass = encoder.beginComputePass();
  program.encode(pass);
  pass.end();
  encoder.finish();
}

const summary = (name: string, values: readonly number[]): Measured => ({ name, ms: median(values), noise: noise(values) });

/** Milliseconds of each op, or part, in every profile. */
function sums(profiles: readonly (readonly ProfileRow[])[], by: 'op' | 'part'): Measured[] {
  const sumOf = (rows: readonly ProfileRow[], name: string) =>
    rows.reduce((sum, row) => sum + (row[by] === name ? row.ms : 0), 0);
  const names = new Set(profiles[0]!.map((row) => row[by]));
  return [...names].map((name) => summary(`${by} ${name}`, profiles.map((rows) => sumOf(rows, name))));
}

async function timed<T>(work: () => Promise<T>): Promise<[T, number]> {
  const start = performance.now();
  const result = await work();
  return [result, performance.now() - start];
}

/** Milliseconds that a launch, or several, would take at the device's ceilings. */
const ceilingMs = ({ flops, bytes }: Pick<ProfileRow, 'flops' | 'bytes'>, { gflops, gbPerSecond }: Roof): number =>
  Math.max(flops / gflops, bytes / gbPerSecond) / 1e6;

/** Launches summed by name, slowest first; `of roof` is the time at the ceilings over theirs. */
function rowsTable(rows: readonly ProfileRow[], roof: Roof, title: string, nameOf: (row: ProfileRow) => string): string {
  const total = rows.reduce((sum, { ms }) => sum + ms, 0);
  const groups = [...new Set(rows.map(nameOf))].map((name) => {
    const members = rows.filter((row) => nameOf(row) === name);
    const of = (key: 'ms' | 'flops' | 'bytes'): number => members.reduce((sum, row) => sum + row[key], 0);
    const atRoof = members.reduce((sum, row) => sum + ceilingMs(row, roof), 0);
    return { name, count: members.length, ms: of('ms'), flops: of('flops'), bytes: of('bytes'), atRoof };
  });
  const perSecond = (amount: number, ms: number): string => digits(amount / ms / 1e6); // '-' below the clock's resolution
  const lines = groups.sort((a, b) => b.ms - a.ms).map(({ name, count, ms, flops, bytes, atRoof }) =>
    [name, String(count), ms.toFixed(2), percent(ms / total), perSecond(flops, ms), perSecond(bytes, ms), percent(atRoof / ms)]);
  return table([[title, 'launches', 'ms', 'share', 'GFLOP/s', 'GB/s', 'of roof'], ...lines]);
}

/** Tells launches apart that differ in op or size: equal ones have one row. */
const kindOf = ({ op, workgroups, flops, bytes }: ProfileRow): string =>
  `${op} ${workgroups.join('x')} ${digits(flops / 1e9)} GFLOP ${mib(bytes)}`;

export function stepReport(f: StepFigures, { recipe, model, size, vitSize, filter, launches }: StepRequest): string {
  const rows = f.launchRows.filter(({ op, part, label }) => !filter || [op, part, label].some((text) => text.includes(filter)));
  return [
    `${recipe}, ${model}, crops of ${size}, ViT input ${vitSize}`,
    `step ${f.stepMs.toFixed(1)} ms, of which ${f.encodeMs.toFixed(1)} ms to encode and submit ${f.launches} launches`,
    `compiled in ${f.compileMs.toFixed(0)} ms (${f.pipelines} pipelines), adapted to another size in ${f.adaptMs.toFixed(0)} ms`,
    `at the ceilings (${digits(f.roof.gflops)} GFLOP/s, ${digits(f.roof.gbPerSecond)} GB/s) ${f.roofMs.toFixed(1)} ms: ` +
      `${percent(f.roofMs / f.stepMs)} of them`,
    f.predicted ? predictionLine(f.predicted, f.stepMs) : 'no prediction: no compiler here compiles kernels for this adapter',
    planReport(f),
    `held on the device ${mib(f.heldBytes)}: slots, parameters, constants, inputs and outputs`,
    '',
    rowsTable(rows, f.roof, 'part', ({ part }) => part),
    '',
    rowsTable(rows, f.roof, 'op', ({ op }) => op),
    ...(launches ? ['', rowsTable(rows, f.roof, 'launch, workgroups, work', kindOf)] : []),
  ].join('\n');
}
