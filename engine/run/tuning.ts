/** Which variant of a kernel a device gets: one table, read once when the engine is made. */
import type { Tuning } from '../graph/kernel.js';

/** What the choice is made from; `GPUDevice.adapterInfo` and features have it. */
export interface DeviceTraits {
  readonly description: string;
  readonly isFallback: boolean;
  /** Lanes of a subgroup when all subgroups have that many, else 0. */
  readonly subgroupSize: number;
  readonly maxInvocations: number;
}

const table: readonly { readonly name: string; readonly when: (traits: DeviceTraits) => boolean; readonly choose: (traits: DeviceTraits) => Omit<Tuning, 'name'> }[] = [
  {
    // A CPU runs a workgroup on one core, a subgroup as one vector: small groups, operands shared through subgroups, no barriers.
    name: 'software',
    when: ({ isFallback, description }) => isFallback || /llvmpipe|lavapipe|swiftshader|software/i.test(description),
    choose: ({ subgroupSize }) => ({ software: true, subgroupSize, queue: subgroupSize > 0, workgroupSize: 64 }),
  },
  {
    name: 'gpu',
    when: () => true,
    choose: ({ subgroupSize, maxInvocations }) => ({ software: false, subgroupSize, queue: false, workgroupSize: Math.min(256, maxInvocations) }),
  },
];

/** Reads the traits of an open device. */
export function traitsOf(device: GPUDevice): DeviceTraits {
  const info = device.adapterInfo as GPUAdapterInfo | undefined;
  const fixed = device.features.has('subgroups') && info?.subgroupMinSize === info?.subgroupMaxSize;
  return {
    description: [info?.vendor, info?.architecture, info?.device, info?.description].filter(Boolean).join(' '),
    isFallback: info?.isFallbackAdapter ?? false,
    subgroupSize: fixed ? (info?.subgroupMinSize ?? 0) : 0,
    maxInvocations: device.limits.maxComputeInvocationsPerWorkgroup,
  };
}

/** The row of the table that a device falls under. */
export function tuningFor(traits: DeviceTraits): Tuning {
  const row = table.find((r) => r.when(traits))!;
  return { name: row.name, ...row.choose(traits) };
}
