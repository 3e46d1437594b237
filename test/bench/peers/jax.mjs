/** jax-js, WebGPU backend, every operation jitted. */
import { checks } from './checks.mjs';
import { ATTENTION, CONV, MATMULS, NORM, VIT, inputs, installGpu, serve, transposed } from './common.mjs';

// It needs iterator helpers, which Node 20 does not have.
const iterator = Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]()));
const helpers = {
  *map(f) { let i = 0; for (const x of this) yield f(x, i++); },
  *filter(f) { let i = 0; for (const x of this) if (f(x, i++)) yield x; },
  toArray() { return [...this]; },
  some(f) { for (const x of this) if (f(x)) return true; return false; },
  every(f) { for (const x of this) if (!f(x)) return false; return true; },
  reduce(f, a) { for (const x of this) a = f(a, x); return a; },
  forEach(f) { for (const x of this) f(x); },
};
for (const [name, helper] of Object.entries(helpers)) iterator[name] ??= helper;

await installGpu();
const { blockUntilReady, defaultDevice, init, jit, lax, nn, numpy: np, vjp } = await import('@jax-js/jax');
await init('webgpu');
defaultDevice('webgpu');
const array = (data, shape) => np.array(data).reshape(shape);

/** `args` are kept; each call of this library consumes one reference to each. */
async function timed(f, args, check) {
  const call = () => [].concat(f(...args.map((t) => t.ref)));
  const first = call();
  const error = check && check(await first[0].ref.data());
  for (const t of first) t.dispose();
  // The library computes on demand, and skips results that were disposed of: all are kept and waited for.
  const run = async (n) => {
    const results = Array.from({ length: n }, call).flat();
    await blockUntilReady(results);
    for (const t of results) t.dispose();
  };
  return { run, error };
}

/** Gradients alone, or after the value. */
const pulled = (f, count, keeps) => jit((...all) => {
  const [y, pull] = vjp(f, all.slice(0, count));
  const gradients = pull(all[count]);
  pull.dispose?.();
  if (keeps) return [y, ...gradients];
  y.dispose();
  return gradients;
});

const operations = {};
for (const sizes of MATMULS) {
  const [m, k, n] = sizes;
  const name = `matmul ${sizes.join('x')}`;
  const args = () => {
    const { a, b, dc } = inputs.matmul(sizes);
    return [array(a, [m, k]), array(b, [k, n]), array(dc, [m, n])];
  };
  operations[name] = () => timed(jit((a, b) => np.matmul(a, b)), args().slice(0, 2), (c) => checks.matmul(sizes, c));
  operations[`${name} backward`] = () => timed(pulled(np.matmul, 2, false), args());
}
const { C, O, H, W } = CONV;
const convolve = (x, w) => lax.convGeneralDilated(x, w, [1, 1], 'SAME');
const convArgs = () => {
  const { x, w, dy } = inputs.conv();
  return [array(x, [1, C, H, W]), array(w, [O, C, 3, 3]), array(dy, [1, O, H, W])];
};
operations['conv 3x3'] = () => timed(jit(convolve), convArgs().slice(0, 2), checks.conv);
operations['conv 3x3 backward'] = () => timed(pulled(convolve, 2, false), convArgs());

const { heads, tokens, size } = ATTENTION;
const attend = (q, k, v) => nn.dotProductAttention(q, k, v);
const attentionArgs = () => Object.values(inputs.attention()).map((data) => array(data, [tokens, heads, size]));
operations['attention'] = () => timed(jit(attend), attentionArgs().slice(0, 3), checks.attention);
operations['attention forward and backward'] = () => timed(pulled(attend, 3, true), attentionArgs(), checks.attention);

const normalise = (x, w, b) => nn.standardize(x, -1, { epsilon: 1e-5 }).mul(w).add(b);
const normArgs = () => {
  const { x, w, b, dy } = inputs.norm();
  const shape = [NORM.rows, NORM.columns];
  return [array(x, shape), np.array(w), np.array(b), array(dy, shape)];
};
operations['layer norm'] = () => timed(jit(normalise), normArgs().slice(0, 3), checks.norm);
operations['layer norm forward and backward'] = () => timed(pulled(normalise, 3, true), normArgs(), checks.norm);

operations['ViT-S/16'] = () => {
  const { image, weights } = inputs.vit();
  const { dim, heads: count, depth, patch, side, tokens: T, eps } = VIT;
  const held = [array(image, [1, 3, side, side])];
  const names = Object.keys(weights);
  for (const name of names) {
    const { shape, data } = weights[name];
    const isMatrix = shape.length === 2 && name.endsWith('weight');
    if (isMatrix) held.push(array(transposed(weights[name]), [shape[1], shape[0]]));
    else held.push(array(data, shape.length === 3 ? shape.slice(1) : shape));
  }
  const forward = (pixels, ...all) => {
    const w = (name) => all[names.indexOf(name)];
    const linear = (x, name) => np.matmul(x, w(`${name}.weight`)).add(w(`${name}.bias`));
    const norm = (x, name) => nn.standardize(x, -1, { epsilon: eps }).mul(w(`${name}.weight`)).add(w(`${name}.bias`));
    const maps = lax.convGeneralDilated(pixels, w('patch_embed.proj.weight'), [patch, patch], 'VALID');
    const patches = maps.reshape([dim, T - 1]).transpose().add(w('patch_embed.proj.bias'));
    let x = np.concatenate([w('cls_token'), patches], 0).add(w('pos_embed'));
    for (let i = 0; i < depth; i++) {
      const qkv = linear(norm(x.ref, `blocks.${i}.norm1`), `blocks.${i}.attn.qkv`).reshape([T, 3, count, dim / count]);
      const part = (which) => (which < 2 ? qkv.ref : qkv).slice([], which, [], []);
      const mixed = nn.dotProductAttention(part(0), part(1), part(2)).reshape([T, dim]);
      x = x.add(linear(mixed, `blocks.${i}.attn.proj`));
      const hidden = nn.gelu(linear(norm(x.ref, `blocks.${i}.norm2`), `blocks.${i}.mlp.fc1`), { approximate: false });
      x = x.add(linear(hidden, `blocks.${i}.mlp.fc2`));
    }
    return x;
  };
  return timed(jit(forward), held, checks.vit);
};

serve('jax-js', operations);
