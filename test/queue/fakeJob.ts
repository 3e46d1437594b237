/** The process of a job without a GPU. The environment says how it behaves: pauses, and what ends it. */
import { trainJob, type ChildLine } from '../../cli/queue/child.js';
import { interruptSignal } from '../../cli/shared/interrupt.js';
import { fakeParts } from '../helpers/fakeRun.js';

/** Milliseconds of a step; the steps at which the worker is killed, this process is, or the worker is told to end. */
const number = (name: string): number => Number(process.env[`FAKE_JOB_${name}`] ?? NaN);
const onStep = async (done: number): Promise<void> => {
  if (done === number('POISON')) process.kill(process.ppid, 'SIGKILL');
  if (done === number('TERM')) process.kill(process.ppid, 'SIGTERM');
  if (done === number('CRASH')) process.kill(process.pid, 'SIGKILL');
  await new Promise((resolve) => setTimeout(resolve, number('STEP_MS') || 0));
};

process.stdin.on('end', () => process.exit(1)).resume();
const { parts } = fakeParts({ onStep }, interruptSignal());
const say = (line: ChildLine): void => void process.stdout.write(`${JSON.stringify(line)}\n`);
const code = await trainJob(process.argv[2]!, { ...parts, stderr: process.stderr }, say);
process.stdout.write('', () => process.exit(code));
