/** From nodes to launches: the kernel of a node as this device runs it, its pipeline and its bindings. */
import { halfStorage } from '../../shaders/rewrite/halfStorage.js';
import { workQueue } from '../../shaders/rewrite/workQueue.js';
import { ceilDiv, labelOf, linearGrid, type Kernel, type Node, type Tensor, type Tuning } from '../graph/index.js';
import { choiceFor, kindOf, PLAIN, uncalibrated, USUAL, type Calibration } from './choices.js';
import { checkHalf } from './errors.js';
import { pipelinesOf, type Binding, type PipelineCache } from './pipelines.js';
import { candidateTunings, plainTuning, type KernelVariant } from './tuning.js';

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
  /** The choice of kernels that launches get from now on. */
  calibration: Calibration;
  /**
   * The kernel of a node as it is compiled, rewritten for float16 and the work queue: the one chosen for the kind of `like`, a
   * node of the same op, by default the node itself. @throws FeatureError
   */
  readonly kernelOf: (node: Node, like?: Node) => Kernel;
  /** The names of all kernels of a node: plain loops, the usual one, then candidates. Some may be the same kernel. */
  readonly namesOf: (node: Node) => readonly string[];
  /** Its kernel of that name; the usual one if there is none. @throws FeatureError */
  readonly named: (node: Node, name: string) => Kernel;
  /** The kind of a launch, see `Calibration`. */
  readonly kindOf: (node: Node) => string;
  /** Compiles the kernels of `nodes`; `onDone` is called after each. @throws KernelError */
  readonly launchesOf: (nodes: readonly Node[], kernels: readonly Kernel[], onDone?: () => void) => Promise<Launch[]>;
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

/** Kernels besides the usual ones, by op and name. */
export type Candidates = Readonly<Record<string, Readonly<Record<string, KernelVariant>>>>;

export interface LauncherOptions {
  /** Other kernels for some ops, by the op's name, in place of the project's own. */
  readonly kernels?: Readonly<Record<string, KernelVariant>>;
  /** Further kernels that calibration may choose, by the op's name and their own. */
  readonly candidates?: Candidates;
  /** The choice of an earlier calibration. */
  readonly calibration?: Calibration;
}

/** The kernels of a node, each made when it is asked for. */
function kernelMaker(device: GPUDevice, tuning: Tuning, { kernels = {}, candidates = {} }: LauncherOptions) {
  const others = candidateTunings(tuning);
  const tunings: Readonly<Record<string, Partial<Tuning>>> = { [PLAIN]: plainTuning, ...others };
  const make = (node: Node, changes: Partial<Tuning>, variant?: KernelVariant): Kernel => {
    const changed = { ...tuning, ...changes };
    const usual = node.op.kernel!(node, changed);
    const kernel = variant?.(node, usual, changed) ?? usual;
    return withWorkQueue(device, changed, node, withHalfStorage(device, node, kernel));
  };
  const named = (node: Node, name: string): Kernel => {
    const own = candidates[node.op.name]?.[name];
    if (own) return make(node, {}, own);
    return Object.hasOwn(tunings, name) ? make(node, tunings[name]!) : make(node, {}, kernels[node.op.name]);
  };
  const namesOf = ({ op }: Node): string[] => [PLAIN, USUAL, ...Object.keys({ ...others, ...candidates[op.name] })];
  return { named, namesOf };
}

export function createLauncher(device: GPUDevice, tuning: Tuning, options: LauncherOptions): Launcher {
  const pipelines = pipelinesOf(device);
  const { named, namesOf } = kernelMaker(device, tuning, options);
  const kinds = new WeakMap<Node, string>();
  const kind = (node: Node): string => {
    const known = kinds.get(node) ?? kindOf(node, named(node, USUAL));
    kinds.set(node, known);
    return known;
  };
  const launcher: Launcher = {
    pipelines, named, namesOf,
    calibration: options.calibration ?? uncalibrated,
    kindOf: kind,
    kernelOf: (node, like = node) => {
      const { calibration } = launcher;
      return named(node, calibration === uncalibrated ? USUAL : choiceFor(like, kind(like), calibration));
    },
    launchesOf: async (nodes, kernels, onDone) => {
      const compile = async (i: number): Promise<Launch> => {
        const [node, kernel] = [nodes[i]!, kernels[i]!];
        const bindings = bindingsOf(node, kernel);
        const pipeline = await pipelines.get(labelOf(node), kernel, bindings);
        onDone?.();
        return { node, kernel, bindings, pipeline, workgroups: kernel.workgroups };
      };
      // The longest sources first: started last, one would keep a processor busy while the others wait.
      const longestFirst = [...nodes.keys()].sort((a, b) => kernels[b]!.code.length - kernels[a]!.code.length);
      const launches: Promise<Launch>[] = [];
      for (const i of longestFirst) launches[i] = compile(i);
      return Promise.all(launches);
    },
  };
  return launcher;
}

/** Records a launch. `changes`: the pass does not have the launch's pipeline set. */
export function encodeLaunch(pass: GPUComputePassEncoder, { pipeline, bindGroup, workgroups }: Launch, changes = true): void {
  if (changes) pass.setPipeline(pipeline);
  pass.setBindGroup(0, bindGroup!);
  pass.dispatchWorkgroups(workgroups[0], workgroups[1], workgroups[2]);
}
