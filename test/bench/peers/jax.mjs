/** jax-js, WebGPU backend, every operation jitted. */
import { ATTENTION, CONV, MATMULS, NORM, checks, inputs, installGpu, serve } from './common.mjs';

// It needs iterator helpers, which Node 20 has not.
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

/** `args` are held; `f` eats references to them, as every call of this library does. */
async function timed(f, args, check) {
  const call = () => [].concat(f(...args.map((t) => t.ref)));
  const first = call();
  const error = check && check(await first[0].ref.data());
  for (const t of first) t.dispose();
  // It computes nothing before someone waits for it, and never what was disposed of until then: all results are kept and waited for.
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

serve('jax-js', operations);
