/** From nodes to launches: the kernel of a node as this device runs it, its pipeline and its bindings. */
import { halfStorage } from '../../shaders/rewrite/halfStorage.js';
import { workQueue } from '../../shaders/rewrite/workQueue.js';
import { ceilDiv, labelOf, linearGrid, type Kernel, type Node, type Tensor, type Tuning } from '../graph/index.js';
import { checkHalf } from './errors.js';
import { createPipelineCache, type Binding, type PipelineCache } from './pipelines.js';
import type { KernelVariant } from './tuning.js';

/** Workgroups launched per turn of a queue: a core can take up to this many times its share. Superfluous ones end at once. */
const QUEUE_SHARE = 2;

/** A launch with all that the GPU needs. */
export interface Launch {
  readonly node: Node;
  readonly kernel: Kernel;
  readonly bindings: readonly Binding[];
  readonly pipeline: GPUComputePipeline;
  /** Of the variant in use. */
  workgroups: readonly [number, number, number];
  /** Recreated only when the slot pool has grown. */
  bindGroup?: GPUBindGroup;
}

/** Makes launches; all programs of an engine share one. */
export interface Launcher {
  readonly pipelines: PipelineCache;
  /** The kernel of a node as it is compiled, rewritten for float16 and the work queue. @throws FeatureError */
  readonly kernelOf: (node: Node) => Kernel;
  /** Compiles the kernels of `nodes`. @throws KernelError */
  readonly launchesOf: (nodes: readonly Node[], kernels: readonly Kernel[]) => Promise<Launch[]>;
}

/** The tensors that a node's launch binds, after `dims`: inputs, then outputs that are not overwritten inputs. */
export const boundTensors = ({ op, inputs, outputs }: Node): Tensor[] => [...inputs, ...outputs.slice(op.inPlace ?? 0)];

/** Binding kinds of a node's launch, in the order that engine/graph/kernel.ts defines, then the queue. */
export function bindingsOf(node: Node, kernel: Kernel): Binding[] {
  const { op: { inPlace = 0 }, inputs } = node;
  const isRead = (i: number): boolean => i >= inPlace && i < inputs.length;
  return [
    ...(kernel.dims ? (['uniform'] as const) : []),
    ...boundTensors(node).map((_, i): Binding => (isRead(i) ? 'read-only-storage' : 'storage')),
    ...(kernel.workgroupsPerTurn ? (['storage'] as const) : []),
  ];
}

/** Rewrites the kernel of a node with float16 tensors. */
function withHalfStorage(device: GPUDevice, node: Node, kernel: Kernel): Kernel {
  const first = kernel.dims ? 1 : 0;
  const bindings = boundTensors(node).flatMap((t, i) => (t.dtype === 'f16' ? [first + i] : []));
  if (bindings.length === 0) return kernel;
  checkHalf(device);
  return { ...kernel, code: halfStorage(kernel.code, bindings) };
}

/** Rewrites a kernel that can use a queue, if the tuning wants one and the device has a binding left for it. */
function withWorkQueue(device: GPUDevice, tuning: Tuning, node: Node, { workgroupsPerTurn = 0, ...kernel }: Kernel): Kernel {
  const tensors = boundTensors(node).length;
  if (!workgroupsPerTurn || !tuning.queue || tensors >= device.limits.maxStorageBuffersPerShaderStage) return kernel;
  const { code, dims = [], workgroups } = kernel;
  const turns = ceilDiv(workgroups.reduce((product, n) => product * n), workgroupsPerTurn);
  return {
    ...kernel,
    code: workQueue(code, 1 + tensors, workgroupsPerTurn),
    dims: [...workgroups, ...dims],
    workgroups: linearGrid(QUEUE_SHARE * turns, 1),
    workgroupsPerTurn,
  };
}

export function createLauncher(device: GPUDevice, tuning: Tuning, variants: Readonly<Record<string, KernelVariant>>): Launcher {
  const pipelines = createPipelineCache(device);
  return {
    pipelines,
    kernelOf: (node) => {
      const usual = node.op.kernel!(node, tuning);
      const kernel = variants[node.op.name]?.(node, usual, tuning) ?? usual;
      return withWorkQueue(device, tuning, node, withHalfStorage(device, node, kernel));
    },
    launchesOf: async (nodes, kernels) => {
      const compile = async (i: number): Promise<Launch> => {
        const [node, kernel] = [nodes[i]!, kernels[i]!];
        const bindings = bindingsOf(node, kernel);
        const pipeline = await pipelines.get(labelOf(node), kernel, bindings);
        return { node, kernel, bindings, pipeline, workgroups: kernel.workgroups };
      };
      // The longest sources first: started last, one would keep a processor busy while the others wait.
      const longestFirst = [...nodes.keys()].sort((a, b) => kernels[b]!.code.length - kernels[a]!.code.length);
      const launches: Promise<Launch>[] = [];
      for (const i of longestFirst) launches[i] = compile(i);
      return Promise.all(launches);
    },
  };
}

/** Records a launch. `changes`: the pass does not have the launch's pipeline set. */
export function encodeLaunch(pass: GPUComputePassEncoder, { pipeline, bindGroup, workgroups }: Launch, changes = true): void {
  if (changes) pass.setPipeline(pipeline);
  pass.setBindGroup(0, bindGroup!);
  pass.dispatchWorkgroups(workgroups[0], workgroups[1], workgroups[2]);
}
