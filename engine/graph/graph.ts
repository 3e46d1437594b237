/** The graph: nodes appended in topological order. Nothing here knows the GPU. */
import { UseError } from './errors.js';
import type { Kernel, Tuning } from './kernel.js';
import { checkShape, sameShape, showShape, sizeOf, type Shape } from './shape.js';

/** An operation: shape rule, launch and gradient. Nothing about it is written elsewhere. Ops of all types A share a graph. */
export interface Op<A = any> {
  readonly name: string;
  /** Shapes of the outputs. @throws ShapeError when inputs do not fit */
  readonly shapes: (inputs: readonly Tensor[], attrs: A) => readonly Shape[];
  /** The launch; absent for leaves and for ops that only rename memory. */
  readonly kernel?: (node: Node<A>, tuning: Tuning) => Kernel;
  /**
   * Gradients of the inputs, built as more nodes. `dys[i]` is absent when nothing depends on output i; only inputs with
   * `needed[i]` need a gradient. Absent: a gradient that must pass this op is an error.
   */
  readonly backward?: (node: Node<A>, dys: Gradients, needed: readonly boolean[]) => Gradients;
  /** The first `inPlace` inputs are overwritten and become the first outputs. They must be parameters or inputs. */
  readonly inPlace?: number;
  /** The way inputs and outputs share memory: see engine/schedule/memory.ts. */
  readonly memory?: 'leaf' | 'view' | 'pack';
  /** Costs little compared with the memory of its outputs: worth computing again if memory is short. */
  readonly cheap?: boolean;
  /** A node that does this node and its consumer `next` in one launch, if it exists. `sole`: no other node reads this one. */
  readonly fuse?: (node: Node<A>, next: Node, sole: boolean) => Fused | undefined;
}

/** An op without attributes. */
export type PlainOp = Op<Record<string, never>>;

/** One per input or output of a node; absent if nothing depends on it. */
type Gradients = readonly (Tensor | undefined)[];

/** A replacement for a pair of nodes; `outputs` are tensors of the pair that the replacement writes, in order. */
export interface Fused {
  readonly op: Op;
  readonly attrs: unknown;
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
}

export interface Node<A = any> {
  readonly graph: Graph;
  readonly id: number;
  readonly op: Op<A>;
  readonly attrs: A;
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  /** The part of the model that the node belongs to, for profiles: see `Graph.part`. */
  readonly part?: string;
  /** `forget`: gradients read a copy of the node, marked `again`, and not its outputs: see `Graph.recomputed`. */
  readonly recompute?: 'forget' | 'again';
}

/** Storage of a tensor's elements; kernels always compute in f32. */
export type Dtype = 'f32' | 'f16';

/** A value of the graph; it holds no data. */
export interface Tensor {
  readonly graph: Graph;
  readonly node: Node;
  /** Which output of the node. */
  readonly index: number;
  readonly shape: Shape;
  readonly dtype: Dtype;
}

export interface LeafAttrs {
  readonly name: string;
  readonly shape: Shape;
  readonly data?: Float32Array;
}

const leaf = (name: string): Op<LeafAttrs> => ({ name, memory: 'leaf', shapes: (_, { shape }) => [shape] });

/** Data that the caller writes between runs; each program has its own. */
export const inputOp = leaf('input');
/** Data of the engine under its name, shared by all programs. */
export const parameterOp = leaf('parameter');
/** Data known when the graph is built; all programs share one upload per array. */
export const constantOp = leaf('constant');

/** `%12 softmax` or `%3 input x`: labels nodes in printed graphs, buffers, profiles and errors. */
export const labelOf = (node: Node): string =>
  `%${node.id} ${node.op.name}${node.op.memory === 'leaf' ? ` ${(node.attrs as LeafAttrs).name}` : ''}`;

/** Attributes as printed, for example ` axis=1 mode="zeros"`; arrays of data by their length. */
const showAttrs = (attrs: object): string =>
  Object.entries(attrs)
    .filter(([, value]) => value !== undefined && value !== false)
    .map(([key, value]) => ` ${key}=${value instanceof Float32Array ? `<${value.length}>` : JSON.stringify(value)}`)
    .join('');

export const showTensor = (t: Tensor): string => `%${t.node.id}${t.node.outputs.length > 1 ? `.${t.index}` : ''}`;

export function showNode(node: Node): string {
  const shapes = node.outputs.map((t) => showShape(t.shape)).join(' ');
  if (node.op.memory === 'leaf') return `${labelOf(node)} ${shapes}`;
  return `${labelOf(node)}(${node.inputs.map(showTensor).join(', ')})${showAttrs(node.attrs)} -> ${shapes}`;
}

/** See `Graph.part`, `recomputed` and `half`. */
interface Scope {
  readonly part?: string | undefined;
  readonly forgets: boolean;
  readonly halves: boolean;
}

export class Graph {
  readonly nodes: Node[] = [];
  /** Applies to the nodes that are appended now. */
  #scope: Scope = { forgets: false, halves: false };

  /**
   * @param wide the graph is for a device with many cores: reductions are shared by more workgroups, for memory and a further
   * launch that adds up their parts
   */
  constructor(readonly wide = false) {}

  /** Profiles count the nodes that `build` appends as part `name`, their gradients as `name backward`. Inner names win. */
  part<T>(name: string | undefined, build: () => T): T {
    return this.#within({ part: name }, build);
  }

  /**
   * The gradient computes the outputs of cheap ops (norms, activations, enlargements, joins) that `build` appends again,
   * instead of keeping them: the same numbers for less memory and more time (https://arxiv.org/abs/1604.06174).
   */
  recomputed<T>(build: () => T): T {
    return this.#within({ forgets: true }, build);
  }

  /**
   * Stores parameters, constants and the first output of every op that `build` appends as float16. Statistics (further
   * outputs) and gradients, which are appended later, stay f32. Devices without the feature shader-f16 refuse such a program.
   */
  half<T>(build: () => T): T {
    return this.#within({ halves: true }, build);
  }

  #within<T>(change: Partial<Scope>, build: () => T): T {
    const outer = this.#scope;
    this.#scope = { ...outer, ...change };
    try {
      return build();
    } finally {
      this.#scope = outer;
    }
  }

  /** Appends a copy of a node on other inputs. */
  again({ op, attrs }: Node, inputs: readonly Tensor[]): Node {
    return this.#append(op, inputs, attrs, 'again');
  }

  /** Appends a node and returns its outputs. */
  add<A>(op: Op<A>, inputs: readonly Tensor[], attrs: A): Tensor[] {
    return this.#append(op, inputs, attrs, this.#scope.forgets && op.cheap ? 'forget' : undefined).outputs as Tensor[];
  }

  #append<A>(op: Op<A>, inputs: readonly Tensor[], attrs: A, recompute: Node['recompute']): Node<A> {
    for (const t of inputs) if (t.graph !== this) throw new UseError(`${op.name}: ${showTensor(t)} belongs to another graph`);
    const shapes = op.shapes(inputs, attrs);
    const outputs: Tensor[] = [];
    const { part } = this.#scope;
    const marks = { ...(part !== undefined && { part }), ...(recompute && { recompute }) };
    const node: Node<A> = { graph: this, id: this.nodes.length, op, attrs, inputs, outputs, ...marks };
    shapes.forEach((shape, index) => {
      checkShape(op.name, shape);
      outputs.push({ graph: this, node, index, shape, dtype: this.#dtypeOf(op, inputs, index) });
    });
    this.nodes.push(node);
    return node;
  }

  /** Tensors that share memory share its type; inputs are always f32. */
  #dtypeOf(op: Op, inputs: readonly Tensor[], index: number): Dtype {
    if (op.memory === 'view' || op.memory === 'pack' || index < (op.inPlace ?? 0)) return inputs[index]!.dtype;
    return this.#scope.halves && index === 0 && op !== inputOp ? 'f16' : 'f32';
  }

  /** A tensor that the caller writes between runs. */
  input(name: string, shape: Shape): Tensor {
    return this.add(inputOp, [], { name, shape })[0]!;
  }

  /** A tensor of the engine under `name`, shared by all its programs. @throws UseError when the name has another shape */
  parameter(name: string, shape: Shape): Tensor {
    const t = this.nodes.find((n) => n.op === parameterOp && (n.attrs as LeafAttrs).name === name)?.outputs[0];
    if (!t) return this.add(parameterOp, [], { name, shape })[0]!;
    if (sameShape(t.shape, shape)) return t;
    throw new UseError(`parameter ${name}: used as ${showShape(shape)} and as ${showShape(t.shape)}`);
  }

  /** Data known now. Programs that pass the same array share its buffer. @throws UseError when the length is wrong */
  constant(data: Float32Array, shape: Shape = [data.length]): Tensor {
    if (data.length !== sizeOf(shape)) throw new UseError(`constant: ${data.length} values for ${showShape(shape)}`);
    return this.add(constantOp, [], { name: data.length === 1 ? String(data[0]) : '', shape, data })[0]!;
  }

  /** One node per line; snapshot tests check it. */
  toString(): string {
    return this.nodes.map(showNode).join('\n');
  }
}

/** Appends a node and returns its first output. */
export const addNode = <A>(op: Op<A>, inputs: readonly Tensor[], attrs: A): Tensor =>
  inputs[0]!.graph.add(op, inputs, attrs)[0]!;
