/** A worker in a process of its own, whose jobs need no GPU. Its options are JSON in the first argument. */
import { fileURLToPath } from 'node:url';
import { asProcess } from '../../cli/process.js';
import { work, type WorkOptions } from '../../cli/queue/worker.js';
import { realParts } from '../../cli/run/parts.js';
import { interruptSignal } from '../../cli/shared/interrupt.js';

const options = JSON.parse(process.argv[2]!) as WorkOptions;
const { stdout, stderr } = process;
const job = fileURLToPath(new URL('./fakeJob.js', import.meta.url));
await asProcess(() => work(options, realParts({ stdout, stderr, interrupt: interruptSignal() }), job));
