/** What to ask an adapter for. */
import type { Dtype } from '../graph/index.js';
import { MATRIX_FEATURE, unitsIn } from './tuning.js';

/** Used where a device has them: profiles, faster sums over rows, half precision. */
const FEATURES: readonly GPUFeatureName[] = ['timestamp-query', 'subgroups', 'shader-f16'];

/**
 * Matrix units, and subgroups of the size that they need. Dawn compiles all kernels in another way for a device that has them, so
 * only those ask that use them.
 */
const UNIT_FEATURES = [MATRIX_FEATURE, 'subgroup-size-control'] as readonly string[] as GPUFeatureName[];

const hasExactUnits = (info: GPUAdapterInfo | undefined): boolean =>
  unitsIn(info).some(({ componentType }) => componentType === 'f32');

/** What a device is for. */
interface DeviceUse {
  /** `f16`: matrix units that round to float16 are of use too. */
  readonly precision?: Dtype;
  /** False leaves matrix units out. */
  readonly units?: boolean;
}

/** Limits whose defaults are far below those of adapters: bindings of 128 MiB do not hold large photos. */
const LIMITS = [
  'maxBufferSize', 'maxStorageBufferBindingSize', 'maxStorageBuffersPerShaderStage', 'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup', 'maxComputeWorkgroupSizeX', 'maxComputeWorkgroupSizeY', 'maxComputeWorkgroupSizeZ',
  'maxComputeWorkgroupsPerDimension',
] as const satisfies readonly (keyof GPUSupportedLimits)[];

/**
 * The features and limits that the engine can use, for `adapter.requestDevice`; a caller may add its own. The engine works on a
 * device without any of them, slower and with smaller pictures. Of matrix units those of f32 are always asked for, those of f16
 * for that precision.
 */
export const deviceDescriptor = (
  { features, limits, info }: Pick<GPUAdapter, 'features' | 'limits'> & Partial<Pick<GPUAdapter, 'info'>>,
  { precision, units = true }: DeviceUse = {},
) => ({
  requiredFeatures: [...FEATURES, ...(units && (precision === 'f16' || hasExactUnits(info)) ? UNIT_FEATURES : [])]
    .filter((feature) => features.has(feature)),
  requiredLimits: Object.fromEntries(LIMITS.map((name) => [name, limits[name]])) as Record<(typeof LIMITS)[number], number>,
});
