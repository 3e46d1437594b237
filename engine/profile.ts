/** Time per launch: timestamp queries around each where the device has them, else one submit each and the wall clock. */
import type { Engine } from './engine.js';
import { labelOf } from './graph.js';
import { byteSize } from './memory.js';
import { encodeLaunch, type Launch } from './program.js';

export interface ProfileRow {
  readonly label: string;
  readonly op: string;
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

export async function profileLaunches(engine: Engine, launches: readonly Launch[], repeats: number): Promise<ProfileRow[]> {
  const time = engine.device.features.has('timestamp-query') ? timeByQueries : timeByClock;
  const runs: number[][] = [];
  for (let r = 0; r < repeats; r++) {
    const run: number[] = [];
    for (let at = 0; at < launches.length; at += MOST_QUERIES / 2) run.push(...(await time(engine, launches.slice(at, at + MOST_QUERIES / 2))));
    runs.push(run);
  }
  return launches.map(({ node, kernel, workgroups }, i) => ({
    label: labelOf(node),
    op: node.op.name,
    workgroups,
    ms: median(runs.map((run) => run[i]!)),
    flops: kernel.flops ?? 0,
    bytes: [...new Set([...node.inputs, ...node.outputs])].reduce((sum, t) => sum + byteSize(t), 0),
  }));
}

/** The middle of the sorted values. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}

async function timeByQueries(engine: Engine, launches: readonly Launch[]): Promise<number[]> {
  const { device } = engine;
  const count = launches.length * 2;
  const querySet = device.createQuerySet({ type: 'timestamp', count });
  const resolved = device.createBuffer({ size: count * 8, usage: RESOLVE });
  const target = device.createBuffer({ size: count * 8, usage: READ_BACK });
  engine.submit((encoder) => {
    launches.forEach((launch, i) => {
      const pass = encoder.beginComputePass({
        timestampWrites: { querySet, beginningOfPassWriteIndex: 2 * i, endOfPassWriteIndex: 2 * i + 1 },
      });
      encodeLaunch(pass, launch);
      pass.end();
    });
    encoder.resolveQuerySet(querySet, 0, count, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, target, 0, count * 8);
  });
  return engine.guard(async () => {
    await target.mapAsync(1 /* GPUMapMode.READ */);
    const stamps = new BigInt64Array(target.getMappedRange().slice(0));
    for (const gone of [querySet, resolved, target]) gone.destroy();
    return launches.map((_, i) => Number(stamps[2 * i + 1]! - stamps[2 * i]!) / 1e6);
  });
}

async function timeByClock(engine: Engine, launches: readonly Launch[]): Promise<number[]> {
  const times: number[] = [];
  for (const launch of launches) {
    const start = performance.now();
    engine.submit((encoder) => {
      const pass = encoder.beginComputePass();
      encodeLaunch(pass, launch);
      pass.end();
    });
    await engine.sync();
    times.push(performance.now() - start);
  }
  return times;
}

/** The rows summed by op, slowest first: a table for people. */
export function showProfile(rows: readonly ProfileRow[]): string {
  const total = rows.reduce((sum, row) => sum + row.ms, 0);
  const groups = new Map<string, ProfileRow[]>();
  for (const row of rows) groups.set(row.op, [...(groups.get(row.op) ?? []), row]);
  const lines = [...groups].map(([op, members]) => {
    const add = (of: (row: ProfileRow) => number): number => members.reduce((sum, row) => sum + of(row), 0);
    return { op, count: members.length, ms: add((r) => r.ms), flops: add((r) => r.flops), bytes: add((r) => r.bytes) };
  });
  lines.sort((a, b) => b.ms - a.ms);
  const perSecond = (amount: number, ms: number): string => (ms > 0 ? (amount / ms / 1e6).toFixed(2) : '-'); // below the clock's resolution
  const table = lines.map(({ op, count, ms, flops, bytes }) =>
    `${op.padEnd(28)}${String(count).padStart(6)}${ms.toFixed(2).padStart(10)}${((100 * ms) / total).toFixed(1).padStart(7)}%` +
    `${perSecond(flops, ms).padStart(10)}${perSecond(bytes, ms).padStart(9)}`);
  return [`${'op'.padEnd(28)}${'count'.padStart(6)}${'ms'.padStart(10)}${'share'.padStart(8)}${'GFLOP/s'.padStart(10)}${'GB/s'.padStart(9)}`, ...table].join('\n');
}
