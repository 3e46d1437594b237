/** A worker in a process of its own; its options are JSON. Its jobs need no GPU unless FAKE_JOB_REAL is 1. */
import { fileURLToPath } from 'node:url';
import { asProcess } from '../../cli/process.js';
import { work, type WorkOptions } from '../../cli/queue/worker.js';
import { realParts } from '../../cli/run/parts.js';
import { interruptSignal } from '../../cli/shared/interrupt.js';

const options = JSON.parse(process.argv[2]!) as WorkOptions;
const { stdout, stderr } = process;
const job = process.env['FAKE_JOB_REAL'] === '1' ? undefined : fileURLToPath(new URL('./fakeJob.js', import.meta.url));
await asProcess(() => work(options, realParts({ stdout, stderr, interrupt: interruptSignal() }), job));
