/** Compiles the kernels of a request (a file of JSON) on the device of this process. The driver prints figures to stderr. */
import { readFileSync, writeSync } from 'node:fs';
import { openAdapter } from '../../../cli/gpu/device.js';
import { createEngine, deviceDescriptor, unitsOf } from '../../../engine/index.js';
import { engineFor, type StepKernel, type Traits } from './kernels.js';

const { traits, kernels } = JSON.parse(readFileSync(process.argv[2]!, 'utf8')) as { traits: Traits; kernels: StepKernel[] };
const adapter = await openAdapter();
// WebGPU's default limits, for which Dawn checks every kernel; only photos need larger buffers.
const { requiredFeatures } = deviceDescriptor(adapter, traits.units ? { precision: 'f16' } : {});
const device = await adapter.requestDevice({ requiredFeatures });
const units = unitsOf(device, adapter.info);
const engine = createEngine(device, units ? { tuning: { units } } : {});
const [found, expected] = [engine, engineFor(traits)].map(({ tuning }) => JSON.stringify(tuning));
if (found !== expected) throw new Error(`kernels were chosen for ${expected}, and the device is ${found}`);
for (const { key, name, kernel, bindings } of kernels) {
  writeSync(2, `## kernel ${key}\n`);
  await engine.pipelines.get(name, kernel, bindings).catch((error: Error) =>
    writeSync(2, `## error ${error.message.split('\n').slice(0, 3).join(' ')}\n`));
}
process.exit(0); // Dawn would wait for a GPU
