/** TensorFlow.js, WebGPU backend, with convolutions in its own layout: channels last. */
import { checks } from './checks.mjs';
import { ATTENTION, CONV, MATMULS, NORM, VIT, inputs, installGpu, serve, transposed } from './common.mjs';

await installGpu();
const module = await import('@tensorflow/tfjs');
const tf = module.default ?? module;
await import('@tensorflow/tfjs-backend-webgpu');
await tf.setBackend('webgpu');
await tf.ready();
const backend = tf.backend();

async function wait() {
  backend.endComputePassEncoder();
  if (backend.commandEncoder) backend.submitQueue();
  await backend.device.queue.onSubmittedWorkDone();
}

/** `make` returns tensors that are disposed of at once. */
async function timed(make, check) {
  let error;
  if (check) {
    const y = [].concat(make());
    error = await check(y[0]);
    for (const t of y) t.dispose();
  }
  const run = async (n) => {
    for (let i = 0; i < n; i++) for (const t of [].concat(make())) t.dispose();
    await wait();
  };
  return { run, error };
}

const operations = {};
for (const sizes of MATMULS) {
  const [m, k, n] = sizes;
  const tensors = () => {
    const { a, b, dc } = inputs.matmul(sizes);
    return [tf.tensor2d(a, [m, k]), tf.tensor2d(b, [k, n]), tf.tensor2d(dc, [m, n])];
  };
  const name = `matmul ${sizes.join('x')}`;
  operations[name] = () => {
    const [a, b] = tensors();
    return timed(() => tf.matMul(a, b), async (c) => checks.matmul(sizes, await c.data()));
  };
  operations[`${name} backward`] = () => {
    const [a, b, dc] = tensors();
    return timed(() => [tf.matMul(dc, b, false, true), tf.matMul(a, dc, true, false)]);
  };
}

const { C, O, H, W } = CONV;
function convTensors() {
  const { x, w, dy } = inputs.conv();
  const channelsLast = (data, shape) => tf.tensor4d(data, shape).transpose([0, 2, 3, 1]);
  const filter = () => tf.tensor4d(w, [O, C, 3, 3]).transpose([2, 3, 1, 0]);
  return tf.tidy(() => [channelsLast(x, [1, C, H, W]), filter(), channelsLast(dy, [1, O, H, W])]);
}
operations['conv 3x3'] = () => {
  const [x, w] = convTensors();
  return timed(() => tf.conv2d(x, w, 1, 'same'), async (y) => checks.conv(await y.transpose([0, 3, 1, 2]).data()));
};
operations['conv 3x3 backward'] = () => {
  const [x, w, dy] = convTensors();
  const how = { strides: 1, pad: 'same', dataFormat: 'NHWC', dimRoundingMode: undefined };
  return timed(() => [
    tf.engine().runKernel('Conv2DBackpropInput', { dy, filter: w }, { ...how, inputShape: x.shape }),
    tf.engine().runKernel('Conv2DBackpropFilter', { x, dy }, { ...how, filterShape: w.shape }),
  ]);
};

const { heads, tokens, size } = ATTENTION;
const attentionTensors = () => {
  const { q, k, v, dy } = inputs.attention();
  return tf.tidy(() => [q, k, v, dy].map((data) => tf.tensor3d(data, [tokens, heads, size]).transpose([1, 0, 2])));
};
const attend = (q, k, v) => tf.matMul(tf.softmax(tf.mul(tf.matMul(q, k, false, true), 1 / Math.sqrt(size))), v);
const checkAttention = async (y) => checks.attention(await y.transpose([1, 0, 2]).data());
operations['attention'] = () => {
  const [q, k, v] = attentionTensors();
  return timed(() => tf.tidy(() => attend(q, k, v)), checkAttention);
};
operations['attention forward and backward'] = () => {
  const [q, k, v, dy] = attentionTensors();
  const gradient = tf.grads(attend);
  return timed(() => gradient([q, k, v], dy));
};

const normTensors = () => {
  const { x, w, b, dy } = inputs.norm();
  const shape = [NORM.rows, NORM.columns];
  return [tf.tensor2d(x, shape), tf.tensor1d(w), tf.tensor1d(b), tf.tensor2d(dy, shape)];
};
function normalise(x, w, b) {
  const { mean, variance } = tf.moments(x, -1, true);
  return tf.add(tf.mul(tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, 1e-5))), w), b);
}
operations['layer norm'] = () => {
  const [x, w, b] = normTensors();
  return timed(() => tf.tidy(() => normalise(x, w, b)), async (y) => checks.norm(await y.data()));
};
operations['layer norm forward and backward'] = () => {
  const [x, w, b, dy] = normTensors();
  const gradient = tf.grads(normalise);
  return timed(() => gradient([x, w, b], dy));
};

operations['ViT-S/16'] = () => {
  const { image, weights } = inputs.vit();
  const { dim, heads: count, depth, patch, side, tokens: T, eps } = VIT;
  const vector = (name) => tf.tensor1d(weights[name].data);
  const matrix = (name) => tf.tensor2d(transposed(weights[name]), [weights[name].shape[1], weights[name].shape[0]]);
  const layer = (name) => [matrix(`${name}.weight`), vector(`${name}.bias`)];
  const normed = (name) => [vector(`${name}.weight`), vector(`${name}.bias`)];
  const blocks = Array.from({ length: depth }, (_, i) => ({
    norm1: normed(`blocks.${i}.norm1`), qkv: layer(`blocks.${i}.attn.qkv`), proj: layer(`blocks.${i}.attn.proj`),
    norm2: normed(`blocks.${i}.norm2`), fc1: layer(`blocks.${i}.mlp.fc1`), fc2: layer(`blocks.${i}.mlp.fc2`),
  }));
  const pixels = tf.tidy(() => tf.tensor3d(image, [3, side, side]).transpose([1, 2, 0]).expandDims(0));
  const projection = weights['patch_embed.proj.weight'].data;
  const filter = tf.tidy(() => tf.tensor4d(projection, [dim, 3, patch, patch]).transpose([2, 3, 1, 0]));
  const bias = vector('patch_embed.proj.bias');
  const cls = tf.tensor2d(weights['cls_token'].data, [1, dim]);
  const positions = tf.tensor2d(weights['pos_embed'].data, [T, dim]);
  const linear = (x, [w, b]) => tf.add(tf.matMul(x, w), b);
  const norm = (x, [w, b]) => {
    const { mean, variance } = tf.moments(x, -1, true);
    return tf.add(tf.mul(tf.mul(tf.sub(x, mean), tf.rsqrt(tf.add(variance, eps))), w), b);
  };
  const gelu = (x) => tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1));
  const forward = () => {
    const patches = tf.add(tf.conv2d(pixels, filter, patch, 'valid').reshape([T - 1, dim]), bias);
    let x = tf.add(tf.concat([cls, patches], 0), positions);
    for (const { norm1, qkv, proj, norm2, fc1, fc2 } of blocks) {
      const [q, k, v] = tf.split(linear(norm(x, norm1), qkv).reshape([T, 3 * count, dim / count]).transpose([1, 0, 2]), 3, 0);
      const mixed = attend(q, k, v).transpose([1, 0, 2]).reshape([T, dim]);
      x = tf.add(x, linear(mixed, proj));
      x = tf.add(x, linear(gelu(linear(norm(x, norm2), fc1)), fc2));
    }
    return x;
  };
  return timed(() => tf.tidy(forward), async (y) => checks.vit(await y.data()));
};

serve(`TensorFlow.js ${tf.version.tfjs}`, operations);
