/** What to ask an adapter for. */

/** Used where a device has them: profiles, faster sums over rows, half precision. */
const FEATURES: readonly GPUFeatureName[] = ['timestamp-query', 'subgroups', 'shader-f16'];

/** Limits whose defaults are far below those of adapters: bindings of 128 MiB do not hold large photos. */
const LIMITS = [
  'maxBufferSize', 'maxStorageBufferBindingSize', 'maxStorageBuffersPerShaderStage', 'maxComputeWorkgroupStorageSize',
  'maxComputeInvocationsPerWorkgroup', 'maxComputeWorkgroupSizeX', 'maxComputeWorkgroupSizeY', 'maxComputeWorkgroupSizeZ',
  'maxComputeWorkgroupsPerDimension',
] as const satisfies readonly (keyof GPUSupportedLimits)[];

/**
 * The features and limits that the engine can use, for `adapter.requestDevice`; a caller may add its own. The engine works on a
 * device without any of them, slower and with smaller pictures.
 */
export const deviceDescriptor = ({ features, limits }: Pick<GPUAdapter, 'features' | 'limits'>) => ({
  requiredFeatures: FEATURES.filter((feature) => features.has(feature)),
  requiredLimits: Object.fromEntries(LIMITS.map((name) => [name, limits[name]])) as Record<(typeof LIMITS)[number], number>,
});
