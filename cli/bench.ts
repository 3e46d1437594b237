/** The work of `splice-gpu bench`: one training step on the drawn landscapes, launch by launch. */
import { median, showProfile, type Engine, type ProfileRow } from '../engine/index.js';
import { layoutOf } from '../model/generators/parameters.js';
import { defaultOptions, type RecipeName } from '../model/options.js';
import { recipes } from '../model/recipes.js';
import { stepGraph, type Setting } from '../model/steps.js';
import { uploadVit } from '../model/vit/vit.js';
import { scenePath } from './demo/files.js';
import type { AdapterSummary } from './device.js';
import { readImage } from './image.js';
import type { Output } from './progress.js';
import type { OpenedEngine } from './transfer.js';
import { loadVit } from './weights.js';

export interface BenchOptions {
  readonly model: string;
  readonly recipe: RecipeName;
  /** Shorter side of the pictures in pixels. */
  readonly size: number;
  readonly vitSize: number;
  readonly repeats: number;
  readonly json: boolean;
}

/** What one step costs. Times are medians of the repeats, in milliseconds. */
export interface StepFigures {
  readonly adapter: AdapterSummary;
  readonly kernels: string;
  readonly model: string;
  readonly launches: number;
  readonly pipelines: number;
  /** Building and planning the graph, compiling its pipelines, making its bind groups. */
  readonly compileMs: number;
  /** Building the graph for another crop size and adapting the program to it. */
  readonly adaptMs: number;
  /** CPU time to encode and submit a step. */
  readonly encodeMs: number;
  /** A step from submit to done. */
  readonly stepMs: number;
  /** Bytes of the slots all programs share, and the least any plan could need. */
  readonly slotBytes: number;
  readonly lowerBoundBytes: number;
  readonly rows: readonly ProfileRow[];
}

/** Measures and prints. Answers with the exit code. */
export async function bench(options: BenchOptions, openEngine: () => Promise<OpenedEngine>, stdout: Output): Promise<number> {
  const { engine, adapter, close } = await openEngine();
  try {
    const figures = await measureStep(options, engine, adapter);
    stdout.write(options.json ? `${JSON.stringify(figures)}\n` : report(figures, options));
  } finally {
    close();
  }
  return 0;
}

async function measureStep(options: BenchOptions, engine: Engine, adapter: AdapterSummary): Promise<StepFigures> {
  const { recipe, size, vitSize, repeats } = options;
  const { vit } = await loadVit(options.model);
  const [structure, appearance] = [await readImage(scenePath('valley'), { shorterSide: size }), await readImage(scenePath('peaks'), { shorterSide: size })];
  const generator = recipes[recipe].generator();
  const setting: Setting = { vit, generator, layout: layoutOf(generator), structure, appearance, options: { ...defaultOptions, recipe, vitSize } };
  uploadVit(engine, vit);
  const graph = (crop: number) => stepGraph(engine.graph(), { kind: 'crops', structure: crop, appearance: size, whole: false }, setting);

  const [program, compileMs] = await timed(() => engine.compile(graph(size)));
  const [, adaptMs] = await timed(async () => program.variant(graph(size - 1)));
  program.run();
  await engine.sync();
  const runs: { encode: number; step: number }[] = [];
  for (let i = 0; i < repeats; i++) {
    const start = performance.now();
    program.run();
    const encode = performance.now() - start;
    await engine.sync();
    runs.push({ encode, step: performance.now() - start });
  }
  const { plan, launches } = program.schedule;
  return {
    adapter, kernels: engine.tuning.name, model: vit.name, launches: launches.length, pipelines: engine.pipelines.size(), compileMs, adaptMs,
    encodeMs: median(runs.map((r) => r.encode)), stepMs: median(runs.map((r) => r.step)),
    slotBytes: plan.slots.reduce((sum, bytes) => sum + bytes, 0), lowerBoundBytes: plan.lowerBound,
    rows: await program.profile(repeats),
  };
}

async function timed<T>(work: () => Promise<T>): Promise<[T, number]> {
  const start = performance.now();
  const result = await work();
  return [result, performance.now() - start];
}

const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

function report(f: StepFigures, { recipe, size, vitSize }: BenchOptions): string {
  return [
    `${[f.adapter.vendor, f.adapter.device].filter(Boolean).join(' ')}, ${f.kernels} kernels; ${recipe}, ${f.model}, crops of ${size}, ViT input ${vitSize}`,
    `step ${f.stepMs.toFixed(1)} ms, of it ${f.encodeMs.toFixed(1)} ms to encode and submit ${f.launches} launches`,
    `compiled in ${f.compileMs.toFixed(0)} ms (${f.pipelines} pipelines), adapted to another crop size in ${f.adaptMs.toFixed(0)} ms`,
    `memory of the step ${mib(f.slotBytes)}, lower bound ${mib(f.lowerBoundBytes)}`,
    '',
    showProfile(f.rows),
    '',
  ].join('\n');
}
