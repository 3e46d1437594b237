/** Pipelines, cached by source and constants: equal launches of all programs compile once. */
import { KernelError, numbered } from './errors.js';
import type { Kernel } from '../graph/kernel.js';

/** How each binding of a launch is bound, in order: the `dims` uniform, read-only or writable storage. */
export type Binding = 'uniform' | 'read-only-storage' | 'storage';

export interface PipelineCache {
  /** The pipeline of a kernel, compiled on first use. @throws KernelError */
  readonly get: (label: string, kernel: Kernel, bindings: readonly Binding[]) => Promise<GPUComputePipeline>;
  readonly layout: (bindings: readonly Binding[]) => GPUBindGroupLayout;
  /** How many pipelines there are. */
  readonly size: () => number;
}

/** Override values as Dawn takes them. Dawn truncates 4.9 for a u32 without a word, so integers are checked against the source. */
function checkedConstants(label: string, { code, constants = {} }: Kernel): Record<string, number> {
  for (const [name, value] of Object.entries(constants)) {
    const isFloat = new RegExp(`override\\s+${name}\\s*:\\s*f(32|16)`).test(code);
    if (!Number.isFinite(value) || (!isFloat && !Number.isInteger(value))) {
      throw new KernelError(`${label}: override ${name} must be ${isFloat ? 'finite' : 'an integer'}, got ${value}`);
    }
  }
  return { ...constants };
}

async function compile(device: GPUDevice, label: string, kernel: Kernel, layout: GPUBindGroupLayout): Promise<GPUComputePipeline> {
  const constants = checkedConstants(label, kernel);
  device.pushErrorScope('validation');
  const module = device.createShaderModule({ label, code: kernel.code });
  const refused = device.popErrorScope();
  device.pushErrorScope('validation');
  const pipelineLayout = device.createPipelineLayout({ bindGroupLayouts: [layout] });
  const creating = device.createComputePipelineAsync({ label, layout: pipelineLayout, compute: { module, entryPoint: 'main', constants } });
  const invalid = device.popErrorScope();
  const pipeline = await creating.catch((reason: Error) => reason);
  const error = (await refused) ?? (await invalid) ?? (pipeline instanceof Error ? pipeline : null);
  if (error) throw new KernelError(`${label}: ${error.message}\noverrides ${JSON.stringify(constants)}\n${numbered(kernel.code)}`);
  return pipeline as GPUComputePipeline;
}

export function createPipelineCache(device: GPUDevice): PipelineCache {
  const pipelines = new Map<string, Promise<GPUComputePipeline>>();
  const layouts = new Map<string, GPUBindGroupLayout>();

  const layout = (bindings: readonly Binding[]): GPUBindGroupLayout => {
    const key = bindings.join();
    let known = layouts.get(key);
    if (!known) {
      known = device.createBindGroupLayout({
        entries: bindings.map((type, binding) => ({ binding, visibility: 4 /* GPUShaderStage.COMPUTE */, buffer: { type } })),
      });
      layouts.set(key, known);
    }
    return known;
  };

  return {
    layout,
    size: () => pipelines.size,
    get: (label, kernel, bindings) => {
      const key = `${bindings.join()}\n${JSON.stringify(kernel.constants ?? {})}\n${kernel.code}`;
      let known = pipelines.get(key);
      if (!known) {
        known = compile(device, label, kernel, layout(bindings));
        pipelines.set(key, known);
      }
      return known;
    },
  };
}
