/** Sizes and steps that end in time on this device, by a few measured steps. Runs in a worker. */
import { fitTo, GPU_MEMORY, pairFacts, unlessTooLarge, type Choice } from '../../../model/index.js';
import { openDevice } from './device.js';
import type { Fit, Fitted, Job } from './messages.js';
import { sizeOf } from './pictures.js';
import { measure, modelOf, optionsOf } from './plan.js';

/** More are rarely worth their time. */
const MOST_STEPS = 10_000;

/**
 * The largest size with enough steps, and as many steps, as end in time on this device.
 * @throws Error that says what cannot be trained, and what `before` throws, which is called before every measured step
 */
export async function fit(job: Job, { minutes, choose }: Fit, before: () => void): Promise<Fitted> {
  const began = performance.now();
  const { engine: { device, tuning: { software } } } = await openDevice();
  const { vit } = await modelOf(job.model);
  const photos = [await sizeOf('structure photo', job.structure), await sizeOf('appearance photo', job.appearance)];
  const limits = {
    device: { software, memory: GPU_MEMORY, largestBinding: device.limits.maxStorageBufferBindingSize },
    seconds: 60 * minutes, spent: () => (performance.now() - began) / 1000, warmStart: job.warmStart,
  };
  const measured = ({ size, vitSize, steps }: Choice): Promise<number | undefined> =>
    unlessTooLarge(measure({ ...job, size: size!, vitSize, steps }, before));
  const given = { vitSize: job.vitSize, steps: MOST_STEPS };
  const { size, ...found } = await fitTo(choose, given, limits, pairFacts(vit, photos, optionsOf(job)), measured);
  return { ...found, size: size! };
}
