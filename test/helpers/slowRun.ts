/**
 * `node slowRun.js STRUCTURE APPEARANCE MODEL OUT [HOLD]`: a run of slow steps without a GPU, in a process like the command
 * line's. In its middle it waits for as long as there is a file HOLD.
 */
import { existsSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { asProcess } from '../../cli/process.js';
import { interruptSignal } from '../../cli/shared/interrupt.js';
import { transfer } from '../../cli/transfer/transfer.js';
import { fakeParts, shortRun } from './fakeRun.js';

const [structure = '', appearance = '', model = '', out = '', hold = ''] = process.argv.slice(2);
const STEPS = 60;

await asProcess(() => {
  const onStep = async (done: number): Promise<void> => {
    process.stderr.write(`step ${done}\n`);
    await sleep(30);
    while (done === STEPS / 2 && existsSync(hold)) await sleep(30);
  };
  const { parts } = fakeParts({ onStep }, interruptSignal());
  const { stdout, stderr } = process;
  const options = shortRun({ structure, appearance, model, out }, { steps: STEPS });
  return transfer({ ...options, saveEvery: 1000 }, { ...parts, stdout, stderr });
});
