/** Time per launch: timestamp queries around each if the device has them, else one submit each and the wall clock. */
import { getOrInsert, labelOf } from '../graph/index.js';
import { bytesOf } from './choices.js';
import { encodeLaunch } from './launch.js';
import type { Program } from './program.js';
import type { Submission } from './submission.js';

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

/** A profile that prints itself. */
export interface Profile {
  /** One per launch, in order. */
  readonly rows: readonly ProfileRow[];
  /** The table of `splice-gpu bench step`: by part of the model, then by op. */
  toString(): string;
}

/** Times every launch of a program: medians of `repeats` runs. */
export async function profile(program: Program, repeats = 5): Promise<Profile> {
  const { launches, submission } = program;
  program.prepare();
  const runs: number[][] = [];
  for (let r = 0; r < repeats; r++) {
    const run: number[] = [];
    for (let at = 0; at < launches.length; at += MOST_QUERIES / 2) {
      const some = launches.slice(at, at + MOST_QUERIES / 2);
      run.push(...(await timePasses(submission, some.map((launch) => (pass) => encodeLaunch(pass, launch)))));
    }
    runs.push(run);
  }
  const rows = launches.map(({ node, kernel, workgroups }, i): ProfileRow => ({
    label: labelOf(node),
    op: node.op.name,
    part: node.part ?? REST,
    workgroups,
    ms: median(runs.map((run) => run[i]!)),
    flops: kernel.flops ?? 0,
    bytes: bytesOf(node),
  }));
  const tables = rows.some((row) => row.part !== REST) ? (['part', 'op'] as const) : (['op'] as const);
  return { rows, toString: () => tables.map((by) => showProfile(rows, by)).join('\n\n') };
}

/**
 * Milliseconds of one run of a program, the mean of `count` runs in a row: for programs of few launches, whose times are near
 * the clock's resolution. Without timestamp queries the time of one submit is included.
 */
export async function timeRuns(program: Program, count: number): Promise<number> {
  const [ms] = await timePasses(program.submission, [(pass) => {
    for (let i = 0; i < count; i++) program.record(pass);
  }]);
  return ms! / count;
}

/** The middle of the sorted values. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? NaN;
}

/** Half the interquartile range of the values, as a share of their median. */
export function noise(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number): number => sorted[Math.round(share * (sorted.length - 1))] ?? NaN;
  return (at(0.75) - at(0.25)) / 2 / at(0.5);
}

type Encode = (pass: GPUComputePassEncoder) => void;

/** Milliseconds of each pass, all in order. */
const timePasses = (submission: Submission, passes: readonly Encode[]): Promise<number[]> =>
  submission.device.features.has('timestamp-query') ? timeByQueries(submission, passes) : timeByClock(submission, passes);

async function timeByQueries({ device, submit, guard }: Submission, passes: readonly Encode[]): Promise<number[]> {
  const count = passes.length * 2;
  const querySet = device.createQuerySet({ type: 'timestamp', count });
  const resolved = device.createBuffer({ size: count * 8, usage: RESOLVE });
  const target = device.createBuffer({ size: count * 8, usage: READ_BACK });
  submit((encoder) => {
    passes.forEach((encode, i) => {
      const timestampWrites = { querySet, beginningOfPassWriteIndex: 2 * i, endOfPassWriteIndex: 2 * i + 1 };
      const pass = encoder.beginComputePass({ label: 'profile', timestampWrites });
      encode(pass);
      pass.end();
    });
    encoder.resolveQuerySet(querySet, 0, count, resolved, 0);
    encoder.copyBufferToBuffer(resolved, 0, target, 0, count * 8);
  });
  return guard(async () => {
    await target.mapAsync(1 /* GPUMapMode.READ */);
    const stamps = new BigInt64Array(target.getMappedRange().slice(0));
    for (const gone of [querySet, resolved, target]) gone.destroy();
    return passes.map((_, i) => Number(stamps[2 * i + 1]! - stamps[2 * i]!) / 1e6);
  });
}

async function timeByClock({ submit, sync }: Submission, passes: readonly Encode[]): Promise<number[]> {
  const times: number[] = [];
  for (const encode of passes) {
    const start = performance.now();
    submit((encoder) => {
      const pass = encoder.beginComputePass();
      encode(pass);
      pass.end();
    });
    await sync();
    times.push(performance.now() - start);
  }
  return times;
}

/** Widths of the table's columns; the first is aligned to the left. */
const WIDTHS = [28, 9, 10, 8, 10, 9];

/** A table of the rows summed by op, or by part of the model, slowest first. */
export function showProfile(rows: readonly ProfileRow[], by: 'op' | 'part' = 'op'): string {
  const groups = new Map<string, ProfileRow[]>();
  for (const row of rows) getOrInsert(groups, row[by], () => []).push(row);
  const sum = (of: readonly ProfileRow[], key: 'ms' | 'flops' | 'bytes'): number => of.reduce((all, row) => all + row[key], 0);
  const total = sum(rows, 'ms');
  const lines = [...groups].sort(([, a], [, b]) => sum(b, 'ms') - sum(a, 'ms')).map(([name, members]) => {
    const ms = sum(members, 'ms');
    // Times below the clock's resolution give no speed.
    const perSecond = (key: 'flops' | 'bytes'): string => (ms > 0 ? (sum(members, key) / ms / 1e6).toFixed(2) : '-');
    const share = `${((100 * ms) / total).toFixed(1)}%`;
    return [name, String(members.length), ms.toFixed(2), share, perSecond('flops'), perSecond('bytes')];
  });
  return [[by, 'launches', 'ms', 'share', 'GFLOP/s', 'GB/s'], ...lines]
    .map((cells) => cells.map((cell, i) => (i === 0 ? cell.padEnd(WIDTHS[0]!) : cell.padStart(WIDTHS[i]!))).join('')).join('\n');
}
