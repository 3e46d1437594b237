/** Time per launch: timestamp queries around each where the device has them, else one submit each and the wall clock. */
import type { Engine } from './engine.js';
import { labelOf } from '../graph/graph.js';
import { byteSize } from '../schedule/memory.js';
import { encodeLaunch, type Launch, type Program } from './program.js';

export interface ProfileRow {
  readonly label: string;
  readonly op: string;
  /** The part of the model it belongs to; see `Graph.part`. */
  readonly part: string;
  readonly workgroups: readonly [number, number, number];
  /** Median milliseconds. */
  readonly ms: number;
  /** Floating-point operations of the launch, as far as its op states them. */
  readonly flops: number;
  /** Bytes of its inputs and outputs, each counted once. */
  readonly bytes: number;
}

// GPUBufferUsage.QUERY_RESOLVE | COPY_SRC and COPY_DST | MAP_READ
const RESOLVE = 512 | 4, READ_BACK = 8 | 1;
/** Queries of a set; WebGPU allows 4096. */
const MOST_QUERIES = 4096;
const REST = 'rest';

export async function profileLaunches(engine: Engine, launches: readonly Launch[], repeats: number): Promise<ProfileRow[]> {
  const runs: number[][] = [];
  for (let r = 0; r < repeats; r++) {
    const run: number[] = [];
    for (let at = 0; at < launches.length; at += MOST_QUERIES / 2) {
      const some = launches.slice(at, at + MOST_QUERIES / 2);
      run.push(...(await timePasses(engine, some.map((launch) => (pass) => encodeLaunch(pass, launch)))));
    }
    runs.push(run);
  }
  return launches.map(({ node, kernel, workgroups }, i) => ({
    label: labelOf(node),
    op: node.op.name,
    part: node.part ?? REST,
    workgroups,
    ms: median(runs.map((run) => run[i]!)),
    flops: kernel.flops ?? 0,
    bytes: [...new Set([...node.inputs, ...node.outputs])].reduce((sum, t) => sum + byteSize(t), 0),
  }));
}

/** A profile that prints itself. */
export interface Profile {
  readonly rows: readonly ProfileRow[];
  /** The table of `splice-gpu bench step`: by part of the model, then by op. */
  toString(): string;
}

/** Times every launch of a program, `repeats` times; medians. Where a graph names its parts (`Graph.part`) they are summed, too. */
export async function profile(program: Program, repeats = 5): Promise<Profile> {
  const rows = await program.profile(repeats);
  const named = rows.some((row) => row.part !== REST);
  return { rows, toString: () => [...(named ? [showProfile(rows, 'part')] : []), showProfile(rows, 'op')].join('\n\n') };
}

/**
 * Milliseconds of one run of a program, the mean of `count` runs in one go: for programs of few launches, whose times are near the clock's
 * resolution. Without timestamp queries the time of one submit is in it.
 */
export async function timeRuns(program: Program, count: number): Promise<number> {
  const [ms] = await timePasses(program.engine, [(pass) => {
    for (let i = 0; i < count; i++) program.encode(pass);
  }]);
  return ms! / count;
}

/** The middle of the sorted values. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}

/** How far the middle half of the values lies around the median, as a share of it: half the interquartile range. */
export function noise(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.round(share * (sorted.length - 1))] ?? NaN;
  return (at(0.75) - at(0.25)) / 2 / at(0.5);
}

type Encode = (pass: GPUComputePassEncoder) => void;

/** Milliseconds of each pass, all in order. */
const timePasses = (engine: Engine, passes: readonly Encode[]): Promise<number[]> =>
  engine.device.features.has('timestamp-query') ? timeByQueries(engine, passes) : timeByClock(engine, passes);

async function timeByQueries(engine: Engine, passes: readonly Encode[]): Promise<number[]> {
  const { device } = engine;
  const count = passes.length * 2;
  const querySet = device.createQuerySet({ type: 'timestamp', count });
  const resolved = device.createBuffer({ size: count * 8, usage: RESOLVE });
  const target = device.createBuffer({ size: count * 8, usage: READ_BACK });
  engine.submit((encoder) => {
    passes.forEach((encode, i) => {
      const pass = encoder.beginComputePass({
        timestampWrites: { querySet, beginningOfPassWriteIndex: 2 * i, endOfPassWriteIndex: 2 * i + 1 },
      });
      encode(pass);
      pass.end();
    });
    encoder.resolveQuerySet(querySet, 0, count, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, target, 0, count * 8);
  });
  return engine.guard(async () => {
    await target.mapAsync(1 /* GPUMapMode.READ */);
    const stamps = new BigInt64Array(target.getMappedRange().slice(0));
    for (const gone of [querySet, resolved, target]) gone.destroy();
    return passes.map((_, i) => Number(stamps[2 * i + 1]! - stamps[2 * i]!) / 1e6);
  });
}

async function timeByClock(engine: Engine, passes: readonly Encode[]): Promise<number[]> {
  const times: number[] = [];
  for (const encode of passes) {
    const start = performance.now();
    engine.submit((encoder) => {
      const pass = encoder.beginComputePass();
      encode(pass);
      pass.end();
    });
    await engine.sync();
    times.push(performance.now() - start);
  }
  return times;
}

/** The rows summed by op, or by part of the model, slowest first: a table for people. */
export function showProfile(rows: readonly ProfileRow[], by: 'op' | 'part' = 'op'): string {
  const total = rows.reduce((sum, row) => sum + row.ms, 0);
  const groups = new Map<string, ProfileRow[]>();
  for (const row of rows) groups.set(row[by], [...(groups.get(row[by]) ?? []), row]);
  const lines = [...groups].map(([name, members]) => {
    const add = (of: (row: ProfileRow) => number): number => members.reduce((sum, row) => sum + of(row), 0);
    return { name, count: members.length, ms: add((r) => r.ms), flops: add((r) => r.flops), bytes: add((r) => r.bytes) };
  });
  lines.sort((a, b) => b.ms - a.ms);
  const perSecond = (amount: number, ms: number): string => (ms > 0 ? (amount / ms / 1e6).toFixed(2) : '-'); // below the clock's resolution
  const table = lines.map(({ name, count, ms, flops, bytes }) =>
    `${name.padEnd(28)}${String(count).padStart(9)}${ms.toFixed(2).padStart(10)}${((100 * ms) / total).toFixed(1).padStart(7)}%` +
    `${perSecond(flops, ms).padStart(10)}${perSecond(bytes, ms).padStart(9)}`);
  return [`${by.padEnd(28)}${'launches'.padStart(9)}${'ms'.padStart(10)}${'share'.padStart(8)}${'GFLOP/s'.padStart(10)}${'GB/s'.padStart(9)}`, ...table].join('\n');
}
