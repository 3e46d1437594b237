/**
 * `npm run faults -- kill`, `inject`, `connections`, `fuzz`, `checkpoints`, `queue` or `downloads`, with a count and the names of
 * parts: the figures on faults of test/README.md. Exit code 1 if a fault is not survived.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { fetchable } from '../../cli/models/known.js';
import { checkpointFaults } from './checkpoints.js';
import { floodRun } from './connections.js';
import { downloadFaults } from './downloads.js';
import { fuzz } from './fuzz.js';
import { CALLS, injectFaults, PLACES } from './inject.js';
import { killRuns } from './kill.js';
import { queueFaults } from './queue.js';
import { readers } from './readers.js';
import { TRAININGS } from './runs.js';

const [what = '', ...words] = process.argv.slice(2);
const count = words.find((word) => Number(word) > 0) ?? '';
/** The parts of `all` that are named, or else all. */
const named = <T extends string>(all: readonly T[]): readonly T[] => {
  const found = all.filter((name) => words.includes(name));
  return found.length > 0 ? found : all;
};
const say = (line: string) => process.stdout.write(`${line}\n`);

/** What one part of a job came to: lines for people, and a line for each fault that was not survived. */
interface Outcome {
  readonly lines: readonly string[];
  readonly failures: readonly string[];
}

/** Runs one part after the other. Returns whether every fault was survived. */
async function each<T>(parts: readonly T[], run: (part: T) => Promise<Outcome>): Promise<boolean> {
  let survived = true;
  for (const part of parts) {
    const { lines, failures } = await run(part);
    [...lines, ...failures.slice(0, 20)].forEach(say);
    survived &&= failures.length === 0;
  }
  return survived;
}

/** @param kills for each training */
const kill = (kills: number): Promise<boolean> => each(named(TRAININGS), async (training) => {
  const { equal, killed, failures, ...report } = await killRuns(training, kills, 1, say);
  const { beforeTheRunBegan, beforeACheckpoint, later } = killed;
  const lines = [
    `${training}: ${equal} of ${report.kills} killed runs ended byte-equal to the undisturbed one`,
    `killed before the run began: ${beforeTheRunBegan}, before a checkpoint: ${beforeACheckpoint}, later: ${later}`,
  ];
  return { lines, failures };
});

/** At most `most` faults for each training. */
const inject = (most: number): Promise<boolean> => each(named(TRAININGS), async (training) => {
  const { faults, failures } = await injectFaults(training, { places: named(PLACES), calls: named(CALLS), most }, say);
  const equal = faults - failures.length;
  return { lines: [`${training}: ${equal} of ${faults} runs with a fault ended byte-equal to the undisturbed one`], failures };
});

/** At most `most` files for each reader; a full run has `count` of the reader. */
const fuzzAll = (most: number): Promise<boolean> => each(named(Object.keys(readers)), async (name) => {
  const reader = readers[name]!;
  const { files, refused, slowestMs, failures } = await fuzz(name, Math.min(most, reader.count));
  const how = `${refused} refused and ${files - refused} read, ${failures.length} not survived`;
  return { lines: [`${name}: ${files} damaged files, ${how}; the slowest in ${slowestMs.toFixed(0)} ms`], failures };
});

/** Short batches without a GPU; with the word "real" batches of 12 pairs that train. */
const queueAll = (repetitions: number): Promise<boolean> => {
  const real = words.includes('real');
  /** `from=8` goes on where an earlier call ended. */
  const first = Number(words.find((word) => word.startsWith('from='))?.slice(5) ?? 1);
  const seeds = Array.from({ length: real ? 1 : repetitions }, (_, i) => first + i);
  return each(seeds, async (seed) => {
    const pairs = real ? 12 : 6;
    const quiet = (): void => undefined;
    const report = await queueFaults({ pairs, real, seed }, real ? say : quiet);
    const { equal, kills, restarts, tries, twice, seconds, failures } = report;
    const how = `${kills} workers and ${restarts} Redis killed, ${tries} tries, ${twice} made twice, ${seconds.toFixed(0)} s`;
    return { lines: [`batch ${seed}: ${equal} of ${pairs} pairs byte-equal; ${how}`], failures };
  });
};

/** The tests around a queue that take long. */
const longTests = (): boolean =>
  spawnSync(process.execPath, [fileURLToPath(new URL('../queue/long.js', import.meta.url))], { stdio: 'inherit' }).status === 0;

/** Every size of the models that can be fetched. */
function downloadAll(most: number): Promise<boolean> {
  const sizes = [...new Set(fetchable.map(({ bytes, megabytes }) => bytes ?? 1e6 * megabytes))].slice(0, most);
  return each(sizes, async (size) => {
    const { requests, megabytes, seconds, failures } = await downloadFaults(size, 3);
    const cost = `${requests} requests, ${seconds.toFixed(1)} s, ${megabytes.toFixed(0)} MB of memory`;
    return { lines: [`${size} bytes, cut three times: ${cost}`], failures };
  });
}

const jobs: Readonly<Record<string, () => Promise<boolean>>> = {
  kill: () => kill(Number(count || 17)),
  inject: () => inject(Number(count || Infinity)),
  connections: () => each(['page'], async () => ({ lines: [], failures: await floodRun(say) })),
  fuzz: () => fuzzAll(Number(count || Infinity)),
  checkpoints: async () => checkpointFaults(Number(count || 10_000)),
  queue: async () => (await queueAll(Number(count || 20))) && (words.includes('real') || longTests()),
  downloads: () => downloadAll(Number(count || Infinity)),
};
const job = Object.hasOwn(jobs, what) ? jobs[what] : undefined;
if (!job) say(`usage: npm run faults -- ${Object.keys(jobs).join('|')} [count] [part...]`);
process.exit(job && (await job()) ? 0 : 1);
