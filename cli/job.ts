/** The process of cli/queue/child.ts. It ends when its worker does, whose end of the pipe closes then. */
import { asProcess } from './process.js';
import { trainJob, type ChildLine } from './queue/child.js';
import { realParts } from './run/parts.js';
import { interruptSignal } from './shared/interrupt.js';

const { stdin, stdout, stderr } = process;
stdin.on('end', () => process.exit(1)).resume();
const say = (line: ChildLine): void => void stdout.write(`${JSON.stringify(line)}\n`);
await asProcess(() => trainJob(process.argv[2]!, realParts({ stdout: stderr, stderr, interrupt: interruptSignal() }), say));
