/** ONNX Runtime, its own WebGPU provider (forward only). Inputs and outputs pass through the processor at every run, as its interface has it. */
import ort from 'onnxruntime-node';
import { ATTENTION, CONV, MATMULS, NORM, checks, inputs, serve } from './common.mjs';
import { model } from './onnx.mjs';

const tensor = (data, shape) => new ort.Tensor('float32', data, shape);

async function prepare(graph, feeds, check) {
  const session = await ort.InferenceSession.create(model(graph), { executionProviders: ['webgpu'], logSeverityLevel: 3, extra: { session: { disable_cpu_ep_fallback: '1' } } });
  const once = async () => (await session.run(feeds))[graph.outputs[0][0]].data;
  const error = check(await once());
  return { run: async (n) => { for (let i = 0; i < n; i++) await session.run(feeds); }, error };
}

const operations = {};
for (const sizes of MATMULS) {
  const [m, k, n] = sizes;
  operations[`matmul ${sizes.join('x')}`] = () => {
    const { a, b } = inputs.matmul(sizes);
    const graph = { nodes: [{ op: 'MatMul', in: ['a', 'b'], out: ['c'] }], inputs: [['a', [m, k]]], inits: [['b', [k, n], b]], outputs: [['c', [m, n]]] };
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
operations['attention'] = () => {
  const { q, k, v } = inputs.attention();
  const shape = [1, ATTENTION.tokens, ATTENTION.heads * ATTENTION.size];
  const graph = {
    ms: true, nodes: [{ op: 'MultiHeadAttention', domain: 'com.microsoft', in: ['q', 'k', 'v'], out: ['y'], attr: { num_heads: ATTENTION.heads } }],
    inputs: [['q', shape], ['k', shape], ['v', shape]], outputs: [['y', shape]],
  };
  return prepare(graph, { q: tensor(q, shape), k: tensor(k, shape), v: tensor(v, shape) }, checks.attention);
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

serve('ONNX Runtime WebGPU', operations);
