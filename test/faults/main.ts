/**
 * `npm run faults -- kill 50`, `fuzz`, `checkpoints 10000` or `downloads`: the figures on faults of test/README.md. Exit code 1
 * if a fault is not survived.
 */
import { fetchable } from '../../cli/models/known.js';
import { checkpointFaults } from './checkpoints.js';
import { downloadFaults } from './downloads.js';
import { fuzz } from './fuzz.js';
import { killRuns } from './kill.js';
import { readers } from './readers.js';

const [what = '', count = ''] = process.argv.slice(2);
const say = (line: string) => process.stdout.write(`${line}\n`);

async function kill(kills: number): Promise<boolean> {
  const { equal, killed, failures, ...report } = await killRuns(kills, 1, say);
  const { beforeTheRunBegan, beforeACheckpoint, later } = killed;
  say(`${equal} of ${report.kills} killed runs ended byte-equal to the undisturbed one`);
  say(`killed before the run began: ${beforeTheRunBegan}, before a checkpoint: ${beforeACheckpoint}, later: ${later}`);
  failures.forEach(say);
  return failures.length === 0;
}

/** At most `most` files for each reader; a full run has `count` of the reader. */
async function fuzzAll(most: number): Promise<boolean> {
  let survived = true;
  for (const [name, reader] of Object.entries(readers)) {
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

const jobs: Readonly<Record<string, () => Promise<boolean>>> = {
  kill: () => kill(Number(count || 50)),
  fuzz: () => fuzzAll(Number(count || Infinity)),
  checkpoints: async () => checkpointFaults(Number(count || 10_000)),
  downloads: () => downloadAll(Number(count || Infinity)),
};
const job = Object.hasOwn(jobs, what) ? jobs[what] : undefined;
if (!job) say(`usage: npm run faults -- ${Object.keys(jobs).join('|')} [count]`);
process.exit(job && (await job()) ? 0 : 1);
