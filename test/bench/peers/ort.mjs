/** ONNX Runtime's own WebGPU provider, forward only. Each run copies inputs and outputs to and from the processor. */
import ort from 'onnxruntime-node';
import { checks } from './checks.mjs';
import { ATTENTION, CONV, MATMULS, NORM, VIT, inputs, serve, transposed } from './common.mjs';
import { model } from './onnx.mjs';

const tensor = (data, shape) => new ort.Tensor('float32', data, shape);

async function prepare(graph, feeds, check) {
  const extra = { session: { disable_cpu_ep_fallback: '1' } };
  const session = await ort.InferenceSession.create(model(graph), { executionProviders: ['webgpu'], logSeverityLevel: 3, extra });
  const once = async () => (await session.run(feeds))[graph.outputs[0][0]].data;
  const error = check(await once());
  return { run: async (n) => { for (let i = 0; i < n; i++) await session.run(feeds); }, error };
}

const operations = {};
for (const sizes of MATMULS) {
  const [m, k, n] = sizes;
  operations[`matmul ${sizes.join('x')}`] = () => {
    const { a, b } = inputs.matmul(sizes);
    const nodes = [{ op: 'MatMul', in: ['a', 'b'], out: ['c'] }];
    const graph = { nodes, inputs: [['a', [m, k]]], inits: [['b', [k, n], b]], outputs: [['c', [m, n]]] };
    return prepare(graph, { a: tensor(a, [m, k]) }, (c) => checks.matmul(sizes, c));
  };
}
operations['conv 3x3'] = () => {
  const { C, O, H, W } = CONV;
  const { x, w } = inputs.conv();
  const graph = {
    nodes: [{ op: 'Conv', in: ['x', 'w'], out: ['y'], attr: { kernel_shape: [3, 3], pads: [1, 1, 1, 1], strides: [1, 1] } }],
    inputs: [['x', [1, C, H, W]]], inits: [['w', [O, C, 3, 3], w]], outputs: [['y', [1, O, H, W]]],
  };
  return prepare(graph, { x: tensor(x, [1, C, H, W]) }, checks.conv);
};
/** Nodes and initial values of a graph that is built step by step; `apply` returns the name of its output. */
function builder() {
  const [nodes, inits] = [[], []];
  const apply = (op, from, attr, domain) => {
    const out = `t${nodes.length}`;
    nodes.push({ op, in: from, out: [out], ...(attr && { attr }), ...(domain && { domain }) });
    return out;
  };
  const constant = (name, data) => inits.some(([known]) => known === name) || inits.push([name, [data.length], data]);
  const shape = (name, ...sizes) => constant(name, BigInt64Array.from(sizes, BigInt));
  return { nodes, inits, apply, constant, shape };
}

/**
 * Attention of q, k and v [1, T, heads * size] by simple operators, because the fused one, MultiHeadAttention, computes wrong
 * numbers on this provider.
 */
function attend({ apply, constant, shape }, [q, k, v], T, heads, size) {
  shape('apart', 1, T, heads, size);
  shape('joined', 1, T, heads * size);
  constant('scale', Float32Array.of(size ** -0.5));
  const part = (x, perm) => apply('Transpose', [apply('Reshape', [x, 'apart'])], { perm });
  const scores = apply('Mul', [apply('MatMul', [part(q, [0, 2, 1, 3]), part(k, [0, 2, 3, 1])]), 'scale']);
  const mixed = apply('MatMul', [apply('Softmax', [scores], { axis: -1 }), part(v, [0, 2, 1, 3])]);
  return apply('Reshape', [apply('Transpose', [mixed], { perm: [0, 2, 1, 3] }), 'joined']);
}

operations['attention'] = () => {
  const { q, k, v } = inputs.attention();
  const { tokens, heads, size } = ATTENTION;
  const shape = [1, tokens, heads * size];
  const graph = builder();
  const y = attend(graph, ['q', 'k', 'v'], tokens, heads, size);
  const feeds = { q: tensor(q, shape), k: tensor(k, shape), v: tensor(v, shape) };
  const ports = { inputs: Object.keys(feeds).map((name) => [name, shape]), outputs: [[y, shape]] };
  return prepare({ ...graph, ...ports }, feeds, checks.attention);
};
operations['layer norm'] = () => {
  const { x, w, b } = inputs.norm();
  const shape = [NORM.rows, NORM.columns];
  const graph = {
    nodes: [{ op: 'LayerNormalization', in: ['x', 'w', 'b'], out: ['y'], attr: { axis: -1, epsilon: { f: 1e-5 } } }],
    inputs: [['x', shape]], inits: [['w', [NORM.columns], w], ['b', [NORM.columns], b]], outputs: [['y', shape]],
  };
  return prepare(graph, { x: tensor(x, shape) }, checks.norm);
};

operations['ViT-S/16'] = () => {
  const { image, weights } = inputs.vit();
  const { dim, heads, depth, patch, side, tokens, eps } = VIT;
  const graph = builder();
  const { nodes, inits, apply, shape } = graph;
  const weight = (name) => {
    const { shape: sizes, data } = weights[name];
    const isMatrix = sizes.length === 2 && name.endsWith('weight');
    inits.push(isMatrix ? [name, [sizes[1], sizes[0]], transposed(weights[name])] : [name, sizes, data]);
    return name;
  };
  const linear = (x, name) => apply('Add', [apply('MatMul', [x, weight(`${name}.weight`)]), weight(`${name}.bias`)]);
  const pair = (name) => [weight(`${name}.weight`), weight(`${name}.bias`)];
  const norm = (x, name) => apply('LayerNormalization', [x, ...pair(name)], { axis: -1, epsilon: { f: eps } });
  const sides = [patch, patch];
  const maps = apply('Conv', ['image', ...pair('patch_embed.proj')], { kernel_shape: sides, strides: sides });
  shape('patches', 1, dim, tokens - 1);
  const patches = apply('Transpose', [apply('Reshape', [maps, 'patches'])], { perm: [0, 2, 1] });
  let x = apply('Add', [apply('Concat', [weight('cls_token'), patches], { axis: 1 }), weight('pos_embed')]);
  for (let i = 0; i < depth; i++) {
    const name = `blocks.${i}`;
    const qkv = linear(norm(x, `${name}.norm1`), `${name}.attn.qkv`);
    const parts = [`q${i}`, `k${i}`, `v${i}`];
    nodes.push({ op: 'Split', in: [qkv], out: parts, attr: { axis: 2, num_outputs: 3 } });
    x = apply('Add', [x, linear(attend(graph, parts, tokens, heads, dim / heads), `${name}.attn.proj`)]);
    const hidden = apply('Gelu', [linear(norm(x, `${name}.norm2`), `${name}.mlp.fc1`)], undefined, 'com.microsoft');
    x = apply('Add', [x, linear(hidden, `${name}.mlp.fc2`)]);
  }
  const shapeOfImage = [1, 3, side, side];
  const ports = { inputs: [['image', shapeOfImage]], outputs: [[x, [1, tokens, dim]]] };
  return prepare({ ms: true, nodes, inits, ...ports }, { image: tensor(image, shapeOfImage) }, checks.vit);
};

serve('ONNX Runtime WebGPU', operations);
