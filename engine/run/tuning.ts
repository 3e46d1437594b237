/** The kernel variants of a device, chosen once when the engine is made. */
import { areUsable, type MatrixUnits } from '../../shaders/units/usable.js';
import type { Kernel, Node, Tuning } from '../graph/index.js';

/** Another kernel for a node; `usual` is the project's own, which runs if this returns undefined. */
export type KernelVariant = (node: Node, usual: Kernel, tuning: Tuning) => Kernel | undefined;

/** Plain loops: no tiles, no subgroups, a thread a row. Calibration compares other kernels with them. */
export const plainTuning: Tuning =
  { name: 'plain', software: false, subgroupSize: 0, queue: false, workgroupSize: 1, plain: true };

/**
 * Changes of the tuning that make other kernels of the same ops, by name: the one list of variants, for calibration,
 * `bench --all-variants` and the tests of ops. One that changes nothing for an op is none for it.
 */
export function candidateTunings(
  { software, subgroupSize, units, manySums = false }: Tuning,
): Readonly<Record<string, Partial<Tuning>>> {
  const withoutSubgroups = { subgroupSize: 0, queue: false };
  const gpu = { name: 'gpu', software: false, queue: false, workgroupSize: 256 };
  if (software) {
    const other = subgroupSize > 0 && { 'of a GPU without subgroups': { ...gpu, ...withoutSubgroups } };
    return { 'of a GPU': { ...gpu, manySums: true }, ...other };
  }
  return {
    ...(units && { 'without matrix units': { units: undefined } }),
    [manySums ? 'few sums' : 'many sums']: { manySums: !manySums },
    'narrow tiles': { tile: 'narrow' },
    'square tiles': { tile: 'square' },
    'compact tiles': { tile: 'compact' },
    'wide tiles': { tile: 'wide' },
    'large tiles': { tile: 'large' },
    '16 channels': { channels: 16 },
    '32 channels': { channels: 32 },
    '64 threads': { workgroupSize: 64 },
    '128 threads': { workgroupSize: 128 },
    ...(subgroupSize > 0 && { 'without subgroups': withoutSubgroups }),
  };
}

/** The basis of the choice, read from `GPUDevice.adapterInfo` and the device's features. */
export interface DeviceTraits {
  readonly description: string;
  readonly vendor?: string | undefined;
  readonly isFallback: boolean;
  /** Lanes of a subgroup when all subgroups have the same number, else 0. */
  readonly subgroupSize: number;
  readonly maxInvocations: number;
  /** Matrix units that the kernels can use. */
  readonly units?: MatrixUnits;
}

/** The device feature for matrix units, which is Dawn's own so far. */
export const MATRIX_FEATURE = 'chromium-experimental-subgroup-matrix';

/** An entry of Dawn's `GPUAdapterInfo.subgroupMatrixConfigs`. */
type UnitsInfo = Readonly<Record<'M' | 'N' | 'K', number> & Record<'componentType' | 'resultComponentType', string>>;

/** The kinds of units that an adapter names, of sums of f32. */
export const unitsIn = (info: GPUAdapterInfo | undefined): UnitsInfo[] =>
  [...((info as { readonly subgroupMatrixConfigs?: Iterable<UnitsInfo> } | undefined)?.subgroupMatrixConfigs ?? [])]
    .filter(({ resultComponentType }) => resultComponentType === 'f32');

/**
 * The units for the kernels here among those of a device: sums of f32, operands of f16 rather than f32, the largest. Metal does
 * not tell the lanes of a subgroup; Apple's GPUs have 32. Dawn's bindings for Node name the units in `adapter.info` alone.
 */
export function unitsOf({ features, adapterInfo }: GPUDevice, adapter = adapterInfo): MatrixUnits | undefined {
  if (!features.has(MATRIX_FEATURE as GPUFeatureName) || !features.has('subgroups')) return undefined;
  const { subgroupMinSize: least, subgroupMaxSize: most, vendor } = adapter;
  const pinned = least !== most && features.has('subgroup-size-control' as GPUFeatureName);
  if (least !== most && !pinned && vendor !== 'apple') return undefined;
  const lanes = pinned || least === most ? least : 32;
  const found = unitsIn(adapter).flatMap(({ componentType: type, M, N, K }): MatrixUnits[] => {
    if (type !== 'f32' && !(type === 'f16' && features.has('shader-f16'))) return [];
    const units = { type, M, N, K, lanes, pinned } as const;
    return areUsable(units) ? [units] : [];
  });
  const size = ({ M, N, K }: MatrixUnits): number => M * N * K;
  return found.sort((a, b) => (a.type === b.type ? size(b) - size(a) : a.type === 'f16' ? -1 : 1))[0];
}

/** Reads the traits of an open device. */
export function traitsOf(device: GPUDevice): DeviceTraits {
  const info = device.adapterInfo as GPUAdapterInfo | undefined;
  const fixed = device.features.has('subgroups') && info?.subgroupMinSize === info?.subgroupMaxSize;
  const units = unitsOf(device);
  return {
    ...(units && { units }),
    description: [info?.vendor, info?.architecture, info?.device, info?.description].filter(Boolean).join(' '),
    vendor: info?.vendor,
    isFallback: info?.isFallbackAdapter ?? false,
    subgroupSize: fixed ? (info?.subgroupMinSize ?? 0) : 0,
    maxInvocations: device.limits.maxComputeInvocationsPerWorkgroup,
  };
}

/** Mesa's driver, on which kernels for subgroups are three to five times as fast, with 4 lanes too. */
const MESA = /llvmpipe|lavapipe/i;

/**
 * The tuning of a device. A CPU runs a workgroup on one core and a subgroup as one vector: with Mesa's driver it gets small
 * groups, operands shared through subgroups, and no barriers. SwiftShader compiles such kernels for minutes, then loses the
 * device; it and drivers that are not known get kernels without subgroups.
 */
export function tuningFor({ description, vendor, isFallback, subgroupSize, maxInvocations, units }: DeviceTraits): Tuning {
  const software = isFallback || MESA.test(description) || /swiftshader|software/i.test(description);
  const lanes = MESA.test(description) ? subgroupSize : 0;
  return software
    ? { name: 'software', software, subgroupSize: lanes, queue: lanes > 0, workgroupSize: 64 }
    : {
      name: 'gpu', software, subgroupSize, queue: false, workgroupSize: Math.min(256, maxInvocations),
      ...(vendor === 'nvidia' && { manySums: true }), ...(units && { units }),
    };
}

/** Whether graphs for a device are wide, see `Graph`: all but CPUs that have kernels of their own. */
export const isWide = ({ software, subgroupSize }: Pick<Tuning, 'software' | 'subgroupSize'>): boolean =>
  !software || subgroupSize === 0;
