/**
 * `npm run faults -- kill`, `inject`, `connections`, `fuzz`, `checkpoints` or `downloads`, with a count and the names of parts:
 * the figures on faults of test/README.md. Exit code 1 if a fault is not survived.
 */
import { fetchable } from '../../cli/models/known.js';
import { checkpointFaults } from './checkpoints.js';
import { floodRun } from './connections.js';
import { downloadFaults } from './downloads.js';
import { fuzz } from './fuzz.js';
import { CALLS, injectFaults, PLACES } from './inject.js';
import { killRuns } from './kill.js';
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

/** @param kills for each training */
async function kill(kills: number): Promise<boolean> {
  let survived = true;
  for (const training of named(TRAININGS)) {
    const { equal, killed, failures, ...report } = await killRuns(training, kills, 1, say);
    const { beforeTheRunBegan, beforeACheckpoint, later } = killed;
    say(`${training}: ${equal} of ${report.kills} killed runs ended byte-equal to the undisturbed one`);
    say(`killed before the run began: ${beforeTheRunBegan}, before a checkpoint: ${beforeACheckpoint}, later: ${later}`);
    failures.forEach(say);
    survived &&= failures.length === 0;
  }
  return survived;
}

/** At most `most` faults for each training. */
async function inject(most: number): Promise<boolean> {
  let survived = true;
  for (const training of named(TRAININGS)) {
    const { faults, failures } = await injectFaults(training, { places: named(PLACES), calls: named(CALLS), most }, say);
    say(`${training}: ${faults - failures.length} of ${faults} runs with a fault ended byte-equal to the undisturbed one`);
    failures.forEach(say);
    survived &&= failures.length === 0;
  }
  return survived;
}

/** At most `most` files for each reader; a full run has `count` of the reader. */
async function fuzzAll(most: number): Promise<boolean> {
  let survived = true;
  for (const name of named(Object.keys(readers))) {
    const reader = readers[name]!;
    const { files, refused, slowestMs, failures } = await fuzz(name, Math.min(most, reader.count));
    say(`${name}: ${files} damaged files, ${refused} refused and ${files - refused} read, ${failures.length} not survived; ` +
      `the slowest in ${slowestMs.toFixed(0)} ms`);
    failures.slice(0, 20).forEach(say);
    survived &&= failures.length === 0;
  }
  return survived;
}

/** Every size of the models that can be fetched. */
async function downloadAll(most: number): Promise<boolean> {
  const sizes = [...new Set(fetchable.map(({ bytes, megabytes }) => bytes ?? 1e6 * megabytes))].slice(0, most);
  let survived = true;
  for (const size of sizes) {
    const { requests, megabytes, seconds, failures } = await downloadFaults(size, 3);
    say(`${size} bytes, cut three times: ${requests} requests, ${seconds.toFixed(1)} s, ${megabytes.toFixed(0)} MB of memory`);
    failures.forEach(say);
    survived &&= failures.length === 0;
  }
  return survived;
}

async function connections(): Promise<boolean> {
  const failures = await floodRun(say);
  failures.forEach(say);
  return failures.length === 0;
}

const jobs: Readonly<Record<string, () => Promise<boolean>>> = {
  kill: () => kill(Number(count || 17)),
  inject: () => inject(Number(count || Infinity)),
  connections,
  fuzz: () => fuzzAll(Number(count || Infinity)),
  checkpoints: async () => checkpointFaults(Number(count || 10_000)),
  downloads: () => downloadAll(Number(count || Infinity)),
};
const job = Object.hasOwn(jobs, what) ? jobs[what] : undefined;
if (!job) say(`usage: npm run faults -- ${Object.keys(jobs).join('|')} [count] [part...]`);
process.exit(job && (await job()) ? 0 : 1);
