/** Pipelines, cached by source and constants: equal launches of all programs compile once. */
import { getOrInsert, type Kernel } from '../graph/index.js';
import { LABEL } from './buffers.js';
import { KernelError, numbered } from './errors.js';

/** The kind of a launch's binding: the `dims` uniform, read-only or writable storage. */
export type Binding = 'uniform' | 'read-only-storage' | 'storage';

export interface PipelineCache {
  /** The pipeline of a kernel, compiled on first use. @throws KernelError */
  readonly get: (label: string, kernel: Kernel, bindings: readonly Binding[]) => Promise<GPUComputePipeline>;
  readonly layout: (bindings: readonly Binding[]) => GPUBindGroupLayout;
  /** The number of pipelines. */
  readonly size: () => number;
}

/** The part of a kernel that makes its pipeline. */
type Source = Pick<Kernel, 'code' | 'constants'>;

/** Checks override values against the source: Dawn truncates 4.9 for a u32 without an error. @throws KernelError */
function checkedConstants(label: string, { code, constants = {} }: Source): Record<string, number> {
  for (const [name, value] of Object.entries(constants)) {
    const isFloat = new RegExp(`override\\s+${name}\\s*:\\s*f(32|16)`).test(code);
    if (!Number.isFinite(value) || (!isFloat && !Number.isInteger(value))) {
      throw new KernelError(`${label}: override ${name} must be ${isFloat ? 'finite' : 'an integer'}, got ${value}`);
    }
  }
  return { ...constants };
}

/** Compiles WGSL for bind groups of one layout. @throws KernelError with the numbered source */
export async function compilePipeline(
  device: GPUDevice, label: string, source: Source, group: GPUBindGroupLayout,
): Promise<GPUComputePipeline> {
  const constants = checkedConstants(label, source);
  device.pushErrorScope('validation');
  const module = device.createShaderModule({ label, code: source.code });
  const refused = device.popErrorScope();
  device.pushErrorScope('validation');
  const layout = device.createPipelineLayout({ label, bindGroupLayouts: [group] });
  const creating = device.createComputePipelineAsync({ label, layout, compute: { module, entryPoint: 'main', constants } });
  const invalid = device.popErrorScope();
  const pipeline = await creating.catch((reason: Error) => reason);
  const error = (await refused) ?? (await invalid) ?? (pipeline instanceof Error ? pipeline : null);
  if (!error) return pipeline as GPUComputePipeline;
  throw new KernelError(`${label}: ${error.message}\noverrides ${JSON.stringify(constants)}\n${numbered(source.code)}`);
}

function createPipelineCache(device: GPUDevice): PipelineCache {
  const pipelines = new Map<string, Promise<GPUComputePipeline>>();
  const layouts = new Map<string, GPUBindGroupLayout>();

  const layout = (bindings: readonly Binding[]): GPUBindGroupLayout => getOrInsert(layouts, bindings.join(), () =>
    device.createBindGroupLayout({
      label: `${LABEL} ${bindings.join()}`,
      entries: bindings.map((type, binding) => ({ binding, visibility: 4 /* GPUShaderStage.COMPUTE */, buffer: { type } })),
    }));

  return {
    layout,
    size: () => pipelines.size,
    get: (label, kernel, bindings) => {
      const key = `${bindings.join()}\n${JSON.stringify(kernel.constants ?? {})}\n${kernel.code}`;
      return getOrInsert(pipelines, key, () => {
        const compiling = compilePipeline(device, label, kernel, layout(bindings));
        compiling.catch(() => pipelines.delete(key)); // a failure is not remembered: its cause may pass
        return compiling;
      });
    },
  };
}

const caches = new WeakMap<GPUDevice, PipelineCache>();

/** The one cache of a device: engines on it share their pipelines. */
export function pipelinesOf(device: GPUDevice): PipelineCache {
  const cache = caches.get(device) ?? createPipelineCache(device);
  caches.set(device, cache);
  return cache;
}
