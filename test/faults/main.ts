/** `npm run faults -- kill 50` or `-- fuzz`: what the README's figures on faults come from. Exit code 1 when one was not survived. */
import { killRuns } from './kill.js';

const [what = '', count = ''] = process.argv.slice(2);
const say = (line: string) => process.stdout.write(`${line}\n`);

async function kill(kills: number): Promise<boolean> {
  const { equal, killed, failures, ...report } = await killRuns(kills, 1, say);
  say(`${equal} of ${report.kills} killed runs ended byte-equal to the undisturbed one (killed before the run began: ${killed.beforeTheRunBegan}, before a checkpoint: ${killed.beforeACheckpoint}, later: ${killed.later})`);
  failures.forEach(say);
  return failures.length === 0;
}

const jobs: Readonly<Record<string, () => Promise<boolean>>> = { kill: () => kill(Number(count || 50)) };
const job = Object.hasOwn(jobs, what) ? jobs[what] : undefined;
if (!job) say(`usage: npm run faults -- ${Object.keys(jobs).join('|')} [count]`);
process.exit(job && (await job()) ? 0 : 1);
