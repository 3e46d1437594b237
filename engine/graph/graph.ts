/** The graph: nodes appended in topological order. Nothing here knows the GPU. */
import type { Kernel, Tuning } from './kernel.js';
import { checkShape, sameShape, showShape, sizeOf, type Shape } from './shape.js';

/** An operation: shape rule, launch and gradient. Nothing about it is written elsewhere. */
// eslint-disable-next-line @typescript-eslint/no-explicit-any -- ops of all attribute types live in one graph
export interface Op<A = any> {
  readonly name: string;
  /** Shapes of the outputs. @throws ShapeError when inputs do not fit */
  readonly shapes: (inputs: readonly Tensor[], attrs: A) => readonly Shape[];
  /** The launch; absent for leaves and for ops that only rename memory. */
  readonly kernel?: (node: Node<A>, tuning: Tuning) => Kernel;
  /**
   * Gradients of the inputs, built as more nodes. `dys[i]` is absent when nothing depends on output i; only inputs with
   * `needed[i]` have to be answered. Absent: a gradient that must pass this op is an error.
   */
  readonly backward?: (node: Node<A>, dys: readonly (Tensor | undefined)[], needed: readonly boolean[]) => readonly (Tensor | undefined)[];
  /** The first `inPlace` inputs are overwritten and become the first outputs. They must be parameters or inputs. */
  readonly inPlace?: number;
  /** Where outputs or inputs are the same memory: see engine/schedule/memory.ts. */
  readonly memory?: 'leaf' | 'view' | 'pack';
  /** Costs little next to the memory of its outputs: worth computing again where memory is short. */
  readonly cheap?: boolean;
  /** The node that does this node and `next`, its consumer, in one launch; absent when it cannot. `sole`: nothing else reads this node. */
  readonly fuse?: (node: Node<A>, next: Node, sole: boolean) => Fused | undefined;
}

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
  /** The part of the model it was built in, for profiles: see `Graph.part`. */
  readonly part?: string;
  /** `forget`: its outputs are not kept for gradients, which compute the node again (`again`): see `Graph.recomputed`. */
  readonly recompute?: 'forget' | 'again';
}

/** How the elements of a tensor are stored; kernels compute in f32 whatever it is. */
export type Dtype = 'f32' | 'f16';

/** A value of the graph, not data. */
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

/** Written by the program's owner between runs; each program has its own. */
export const inputOp = leaf('input');
/** Lives in the engine under its name and is shared by every program. */
export const parameterOp = leaf('parameter');
/** Data known when the graph is built; uploaded once per array, however many programs use it. */
export const constantOp = leaf('constant');

/** `%12 softmax` or `%3 input x`: labels nodes in printed graphs, buffers, profiles and errors. */
export const labelOf = (node: Node): string =>
  `%${node.id} ${node.op.name}${node.op.memory === 'leaf' ? ` ${(node.attrs as LeafAttrs).name}` : ''}`;

/** Attributes as printed: numbers, strings and booleans; arrays of data by their length. */
const showAttrs = (attrs: unknown): string =>
  Object.entries((attrs ?? {}) as Record<string, unknown>)
    .filter(([, value]) => value !== undefined && value !== false)
    .map(([key, value]) => `${key}=${ArrayBuffer.isView(value) ? `<${(value as Float32Array).length}>` : JSON.stringify(value)}`)
    .join(' ');

export const showTensor = (t: Tensor): string => `%${t.node.id}${t.node.outputs.length > 1 ? `.${t.index}` : ''}`;

export function showNode(node: Node): string {
  const shapes = node.outputs.map((t) => showShape(t.shape)).join(' ');
  if (node.op.memory === 'leaf') return `${labelOf(node)} ${shapes}`;
  const attrs = showAttrs(node.attrs);
  return `${labelOf(node)}(${node.inputs.map(showTensor).join(', ')})${attrs && ` ${attrs}`} -> ${shapes}`;
}

/** See `Graph.part`, `recomputed` and `half`. */
interface Scope {
  readonly part?: string | undefined;
  readonly forgets: boolean;
  readonly halves: boolean;
}

export class Graph {
  readonly nodes: Node[] = [];
  /** What holds for the nodes that are appended now. */
  #scope: Scope = { forgets: false, halves: false };

  /** What `build` appends counts as part `name` in profiles, its gradient as `name backward`. Parts do not nest: the inner name counts. */
  part<T>(name: string | undefined, build: () => T): T {
    return this.#within({ part: name }, build);
  }

  /**
   * Of what `build` appends, outputs of cheap ops (norms, activations, enlargements, joins) are not kept for the gradient, which computes them again from
   * what is kept: the same numbers for less memory and more time (https://arxiv.org/abs/1604.06174).
   */
  recomputed<T>(build: () => T): T {
    return this.#within({ forgets: true }, build);
  }

  /**
   * Of what `build` appends, the first output of every op, parameters and constants are stored as float16. Statistics (further outputs) and gradients,
   * which are appended later, are not. Devices without the feature shader-f16 refuse such a program.
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

  /** The node once more, on other inputs. */
  again({ op, attrs }: Node, inputs: readonly Tensor[]): Node {
    return this.#append(op, inputs, attrs, 'again');
  }

  /** Appends a node and returns its outputs. */
  add<A>(op: Op<A>, inputs: readonly Tensor[], attrs: A): Tensor[] {
    return this.#append(op, inputs, attrs, this.#scope.forgets && op.cheap ? 'forget' : undefined).outputs as Tensor[];
  }

  #append<A>(op: Op<A>, inputs: readonly Tensor[], attrs: A, recompute: Node['recompute']): Node<A> {
    for (const t of inputs) if (t.graph !== this) throw new Error(`${op.name}: ${showTensor(t)} belongs to another graph`);
    const shapes = op.shapes(inputs, attrs);
    const outputs: Tensor[] = [];
    const { part } = this.#scope;
    const node: Node<A> = { graph: this, id: this.nodes.length, op, attrs, inputs, outputs, ...(part !== undefined && { part }), ...(recompute && { recompute }) };
    shapes.forEach((shape, index) => {
      checkShape(op.name, shape);
      outputs.push({ graph: this, node, index, shape, dtype: this.#dtypeOf(op, inputs, index) });
    });
    this.nodes.push(node);
    return node;
  }

  /** Where memory is shared so is its type; inputs are written as they are. */
  #dtypeOf(op: Op, inputs: readonly Tensor[], index: number): Dtype {
    if (op.memory === 'view' || op.memory === 'pack' || index < (op.inPlace ?? 0)) return inputs[index]!.dtype;
    return this.#scope.halves && index === 0 && op !== inputOp ? 'f16' : 'f32';
  }

  /** A tensor that the program's owner writes between runs. */
  input(name: string, shape: Shape): Tensor {
    return this.add(inputOp, [], { name, shape })[0]!;
  }

  /** A tensor that lives in the engine under `name`, shared by all its programs; the same name gives the same tensor. */
  parameter(name: string, shape: Shape): Tensor {
    const known = this.nodes.find((n) => n.op === parameterOp && (n.attrs as LeafAttrs).name === name);
    if (!known) return this.add(parameterOp, [], { name, shape })[0]!;
    const t = known.outputs[0]!;
    if (!sameShape(t.shape, shape)) throw new Error(`parameter ${name}: used as ${showShape(shape)} and as ${showShape(t.shape)}`);
    return t;
  }

  /** Data known now. Pass the same array again to share its buffer between programs. */
  constant(data: Float32Array, shape: Shape = [data.length]): Tensor {
    if (data.length !== sizeOf(shape)) throw new Error(`constant: ${data.length} values for ${showShape(shape)}`);
    return this.add(constantOp, [], { name: data.length === 1 ? String(data[0]) : '', shape, data })[0]!;
  }

  /** One node per line; snapshot tests hold it. */
  toString(): string {
    return this.nodes.map(showNode).join('\n');
  }
}

/** Appends a node with a single output. */
export const addNode = <A>(op: Op<A>, inputs: readonly Tensor[], attrs: A): Tensor => inputs[0]!.graph.add(op, inputs, attrs)[0]!;
