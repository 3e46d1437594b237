/** `bench step`: one training step by part and by op, what it costs the processor, and what memory it plans. */
import { median, noise, profile, showProfile, type Engine, type Program, type ProfileRow, type Schedule, type Tensor } from '../../engine/index.js';
import { memoryNeed, type MemoryNeed } from '../../model/training/memoryNeed.js';
import { uploadVit } from '../../model/vit/vit.js';
import { scenePath } from '../demo/files.js';
import { readImage } from '../photos/photo.js';
import { benchVit, plannedVit } from './models.js';
import type { Measured } from './result.js';
import { cropsStep, plannedStep, settingOf, type StepOptions } from './setting.js';
import { mib } from '../shared/table.js';

export interface StepRequest extends StepOptions {
  readonly model: string;
  readonly repeats: number;
  readonly filter?: string;
}

/** What the planner says, before anything is computed. */
export interface PlanFigures {
  readonly launches: number;
  /** Bytes of the slots that all programs share, and the least any plan could need: the largest sum of tensors alive at once. */
  readonly slotBytes: number;
  readonly lowerBoundBytes: number;
  readonly largestSlotBytes: number;
}

/** What one step costs. Times are medians of the repeats, in milliseconds. */
export interface StepFigures extends PlanFigures {
  readonly pipelines: number;
  /** Building and planning the graph, compiling its pipelines, making its bind groups. */
  readonly compileMs: number;
  /** Building the graph for another crop size and adapting the program to it. */
  readonly adaptMs: number;
  /** CPU time to encode and submit a step. */
  readonly encodeMs: number;
  /** A step from submit to done. */
  readonly stepMs: number;
  /** Bytes of parameters, constants and slots that the engine holds, and of inputs and outputs. */
  readonly heldBytes: number;
  readonly rows: readonly Measured[];
  readonly launchRows: readonly ProfileRow[];
}

export function planFigures({ plan, launches }: Schedule): PlanFigures {
  const slotBytes = plan.slots.reduce((sum, bytes) => sum + bytes, 0);
  return { launches: launches.length, slotBytes, lowerBoundBytes: plan.lowerBound, largestSlotBytes: plan.slots[0] ?? 0 };
}

/** The plan of a step and of a whole run with photos of that size, without a device. */
export async function planStep(request: StepRequest): Promise<PlanFigures & { readonly run: MemoryNeed }> {
  const vit = await plannedVit(request.model);
  const photo = { width: request.size, height: request.size, data: new Float32Array() };
  return { ...planFigures(plannedStep(request, vit)), run: memoryNeed(settingOf(request, vit, photo, photo)) };
}

/** The memory of a run: its steps on whole photos are the largest. */
export const runReport = ({ total, slots, lowerBound, largest }: MemoryNeed): string =>
  `memory of a run ${mib(total)}: ${mib(slots)} for its largest step (lower bound ${mib(lowerBound)}), largest buffer ${mib(largest)}, the rest weights, photos and constants`;

export const planReport = ({ slotBytes, lowerBoundBytes, largestSlotBytes, launches }: PlanFigures): string =>
  `memory of the step ${mib(slotBytes)} planned, lower bound ${mib(lowerBoundBytes)} (${(100 * (slotBytes / lowerBoundBytes - 1)).toFixed(1)}% above), ` +
  `largest buffer ${mib(largestSlotBytes)}, ${launches} launches`;

/** What a step computes with crops of any size, once photos and ViT are on the device. */
export async function stepOutputs(request: StepOptions & { readonly model: string }, engine: Engine): Promise<(crop: number) => Record<string, Tensor>> {
  const { size } = request;
  const vit = await benchVit(request.model);
  const [structure, appearance] = [await readImage(scenePath('valley'), { shorterSide: size }), await readImage(scenePath('peaks'), { shorterSide: size })];
  const setting = settingOf(request, vit, structure, appearance);
  uploadVit(engine, setting.vit);
  return (crop) => cropsStep(engine.graph(), crop, size, setting);
}

export async function measureStep(request: StepRequest, engine: Engine): Promise<StepFigures> {
  const { size, repeats } = request;
  const graph = await stepOutputs(request, engine);
  const [program, compileMs] = await timed(() => engine.compile(graph(size)));
  const [, adaptMs] = await timed(async () => program.variant(graph(size - 1)));
  const { encode, step } = await timeSteps(engine, program, repeats);
  const profiles: (readonly ProfileRow[])[] = [];
  for (let i = 0; i < repeats; i++) profiles.push((await profile(program, 1)).rows);
  const launchRows = profiles[0]!.map((row, i) => ({ ...row, ms: median(profiles.map((p) => p[i]!.ms)) }));
  return {
    ...planFigures(program.schedule), pipelines: engine.pipelines.size(), compileMs, adaptMs, encodeMs: median(encode), stepMs: median(step),
    heldBytes: engine.buffers.heldBytes() + program.ownBytes(),
    rows: [{ name: 'step', ...summary(step) }, { name: 'encode', ...summary(encode) }, ...sums(profiles, 'part'), ...sums(profiles, 'op')],
    launchRows,
  };
}

/** Encodings after which V8 has compiled the loop. A training gets there in its first steps, and makes thousands. */
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

const summary = (values: readonly number[]): Omit<Measured, 'name'> => ({ ms: median(values), noise: noise(values) });

/** Milliseconds of each op, or part, in every profile. */
function sums(profiles: readonly (readonly ProfileRow[])[], by: 'op' | 'part'): Measured[] {
  const names = [...new Set(profiles[0]!.map((row) => row[by]))];
  return names.map((name) => ({
    name: `${by} ${name}`,
    ...summary(profiles.map((rows) => rows.filter((row) => row[by] === name).reduce((sum, row) => sum + row.ms, 0))),
  }));
}

async function timed<T>(work: () => Promise<T>): Promise<[T, number]> {
  const start = performance.now();
  const result = await work();
  return [result, performance.now() - start];
}

export function stepReport(f: StepFigures, { recipe, model, size, vitSize, filter }: StepRequest): string {
  const rows = f.launchRows.filter(({ op, part, label }) => !filter || [op, part, label].some((text) => text.includes(filter)));
  return [
    `${recipe}, ${model}, crops of ${size}, ViT input ${vitSize}`,
    `step ${f.stepMs.toFixed(1)} ms, of it ${f.encodeMs.toFixed(1)} ms to encode and submit ${f.launches} launches`,
    `compiled in ${f.compileMs.toFixed(0)} ms (${f.pipelines} pipelines), adapted to another crop size in ${f.adaptMs.toFixed(0)} ms`,
    planReport(f),
    `held on the device ${mib(f.heldBytes)}: slots, parameters, constants, inputs and outputs`,
    '',
    showProfile(rows, 'part'),
    '',
    showProfile(rows, 'op'),
  ].join('\n');
}
