/** One device for all tests of a process; every engine on it fills its memory with NaN first. */
import {
  candidateTunings, createEngine, plainTuning, traitsOf, tuningFor, type Engine, type Tuning,
} from '../../engine/index.js';
import { gpu, isBare, ownOnly } from './host.js';

let opened: Promise<GPUDevice> | undefined;

/** The shared device. @throws Error when there is no adapter */
export function testDevice(): Promise<GPUDevice> {
  opened ??= openDevice();
  return opened;
}

/**
 * A new device, for tests that break it.
 * @param options `small`: the lowest limits, which every device has. `plain`: none of the optional features
 */
export async function openDevice({ small = isBare, plain = isBare } = {}): Promise<GPUDevice> {
  const adapter = await gpu.requestAdapter();
  if (!adapter) throw new Error('no WebGPU adapter: run the tests through `npm test`, which brings a driver');
  const wanted = plain ? [] : (['timestamp-query', 'subgroups', 'shader-f16'] as const);
  const { maxBufferSize, maxStorageBufferBindingSize, maxComputeWorkgroupStorageSize } = adapter.limits;
  const maxStorageBuffersPerShaderStage = Math.min(16, adapter.limits.maxStorageBuffersPerShaderStage);
  return adapter.requestDevice({
    requiredFeatures: wanted.filter((f) => adapter.features.has(f)),
    requiredLimits: small ? {} : {
      maxBufferSize, maxStorageBufferBindingSize, maxStorageBuffersPerShaderStage, maxComputeWorkgroupStorageSize,
    },
  });
}

const engines = new Map<string, Engine>();

/** An engine with forced kernel variants, one per choice. */
export async function testEngine(tuning: Partial<Tuning> = {}): Promise<Engine> {
  const key = JSON.stringify(tuning);
  let engine = engines.get(key);
  if (!engine) {
    engine = createEngine(await testDevice(), { tuning, poison: true });
    engines.set(key, engine);
  }
  return engine;
}

/** The kernel variants that every op is tested in: this device's own, calibration's candidates, and plain loops. */
export async function testedTunings(): Promise<Partial<Tuning>[]> {
  if (ownOnly) return [{}];
  return [{}, ...Object.values(candidateTunings(tuningFor(traitsOf(await testDevice())))), plainTuning];
}
