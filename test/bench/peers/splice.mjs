/** This project. SPLICE_GPU_DIST is the folder it was compiled to. */
import { pathToFileURL } from 'node:url';
import { join } from 'node:path';
import { checks } from './checks.mjs';
import { ATTENTION, CONV, MATMULS, NORM, VIT, inputs, serve } from './common.mjs';

const load = (file) => import(pathToFileURL(join(process.env.SPLICE_GPU_DIST, file)).href);
const { openDevice } = await load('cli/gpu/device.js');
const { attention, conv2d, createEngine, gradients, layernorm, matmul } = await load('engine/index.js');
const { uploadVit, vitLayers } = await load('model/vit/vit.js');
const { device, adapter } = await openDevice();
const engine = createEngine(device);

/** The program of `build`'s outputs on `data`; `check` compares the output y. */
async function prepare(data, shapes, build, check) {
  const g = engine.graph();
  const tensors = Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [name, g.input(name, shape)]));
  const program = await engine.compile(build(tensors));
  for (const name of Object.keys(shapes)) program.write(name, data[name]);
  const run = async (n) => {
    for (let i = 0; i < n; i++) program.run();
    await engine.sync();
  };
  await run(1);
  return { run, error: check && check(await program.read('y')) };
}

/** Gradients of y by some inputs, given the gradient dy; y itself is computed only if one of them needs it. */
const backward = (y, dy, wrt) => Object.fromEntries(gradients(y, wrt, dy).map((d, i) => [`d${i}`, d]));

const operations = {};
for (const sizes of MATMULS) {
  const [m, k, n] = sizes;
  const shapes = { a: [m, k], b: [k, n] };
  const name = `matmul ${sizes.join('x')}`;
  const product = ({ a, b }) => ({ y: matmul(a, b) });
  const products = ({ a, b, dc }) => ({ da: matmul(dc, b, { transposeB: true }), db: matmul(a, dc, { transposeA: true }) });
  operations[name] = () => prepare(inputs.matmul(sizes), shapes, product, (c) => checks.matmul(sizes, c));
  operations[`${name} backward`] = () => prepare(inputs.matmul(sizes), { ...shapes, dc: [m, n] }, products);
}
const { C, O, H, W } = CONV;
const conv = { x: [1, C, H, W], w: [O, C, 3, 3] };
operations['conv 3x3'] = () => prepare(inputs.conv(), conv, ({ x, w }) => ({ y: conv2d(x, w) }), checks.conv);
operations['conv 3x3 backward'] = () =>
  prepare(inputs.conv(), { ...conv, dy: [1, O, H, W] }, ({ x, w, dy }) => backward(conv2d(x, w), dy, [x, w]));

/** q, k and v of each token in one row, as a ViT's layer computes them. */
function qkvOf() {
  const { q, k, v, dy } = inputs.attention();
  const { tokens, heads, size } = ATTENTION;
  const width = heads * size;
  const qkv = new Float32Array(3 * tokens * width);
  const row = (part, t) => part.subarray(t * width, (t + 1) * width);
  for (let t = 0; t < tokens; t++) [q, k, v].forEach((part, i) => qkv.set(row(part, t), (3 * t + i) * width));
  return { qkv, dy };
}
const width = ATTENTION.heads * ATTENTION.size;
const heads = { qkv: [1, ATTENTION.tokens, 3 * width] };
operations['attention'] = () => prepare(qkvOf(), heads, ({ qkv }) => ({ y: attention(qkv, ATTENTION.heads) }), checks.attention);
const attentionBothWays = ({ qkv, dy }) => {
  const y = attention(qkv, ATTENTION.heads);
  return { y, ...backward(y, dy, [qkv]) };
};
operations['attention forward and backward'] = () =>
  prepare(qkvOf(), { ...heads, dy: [1, ATTENTION.tokens, width] }, attentionBothWays, checks.attention);

const norm = { x: [NORM.rows, NORM.columns], w: [NORM.columns], b: [NORM.columns] };
operations['layer norm'] = () => prepare(inputs.norm(), norm, ({ x, w, b }) => ({ y: layernorm(x, w, b, 1e-5) }), checks.norm);
const normBothWays = ({ x, w, b, dy }) => {
  const y = layernorm(x, w, b, 1e-5);
  return { y, ...backward(y, dy, [x, w, b]) };
};
operations['layer norm forward and backward'] = () =>
  prepare(inputs.norm(), { ...norm, dy: [NORM.rows, NORM.columns] }, normBothWays, checks.norm);

operations['ViT-S/16'] = () => {
  const { image, weights } = inputs.vit();
  const { dim, depth, heads: count, patch, side, eps } = VIT;
  const config = { dim, depth, heads: count, patch, image: side, hidden: 4 * dim, eps };
  const vit = { name: 'peer', config, weights: new Map(Object.entries(weights)) };
  uploadVit(engine, vit);
  const forward = ({ image: x }) => ({ y: vitLayers(x.graph, vit, x).at(-1).tokens });
  return prepare({ image }, { image: [1, 3, side, side] }, forward, checks.vit);
};

serve(`splice-gpu on ${adapter.info.device || adapter.info.description}`, operations);
