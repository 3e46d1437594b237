/** Shapes and inputs that every engine of the comparison shares, and the protocol of a child process. */
import { createInterface } from 'node:readline';

/** Uniform in [-0.5, 0.5) times `scale`, the same on every engine. */
export function numbers(count, seed, scale = 1) {
  let a = seed >>> 0;
  return Float32Array.from({ length: count }, () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return (((t ^ (t >>> 14)) >>> 0) / 4294967296 - 0.5) * scale;
  });
}

export const MATMULS = [[512, 512, 512], [785, 768, 768], [785, 768, 3072]]; // M, K, N
export const CONV = { H: 128, W: 128, C: 64, O: 64 };
export const ATTENTION = { heads: 12, tokens: 785, size: 64 };
export const NORM = { rows: 785, columns: 768 };
/** ViT-S/16. */
export const VIT = { dim: 384, heads: 6, depth: 12, patch: 16, side: 224, tokens: 197, eps: 1e-6 };

const matmulFlops = ([m, k, n]) => 2 * m * k * n;
const convFlops = 2 * 9 * CONV.H * CONV.W * CONV.C * CONV.O;
const attentionFlops = 4 * ATTENTION.heads * ATTENTION.tokens ** 2 * ATTENTION.size;

/** Multiply-adds of patches, linear layers and attention, twice. */
const vitFlops = ({ dim, depth, patch, tokens }) => 2 * tokens * dim * (3 * patch ** 2 + depth * (12 * dim + 2 * tokens));

/** Every operation of the table, with its floating-point operations; 0 for those that memory bounds. */
export const OPERATIONS = [
  ...MATMULS.flatMap((sizes) => [
    { name: `matmul ${sizes.join('x')}`, flops: matmulFlops(sizes) },
    { name: `matmul ${sizes.join('x')} backward`, flops: 2 * matmulFlops(sizes) },
  ]),
  { name: 'conv 3x3', flops: convFlops },
  { name: 'conv 3x3 backward', flops: 2 * convFlops },
  { name: 'attention', flops: attentionFlops },
  { name: 'attention forward and backward', flops: 3 * attentionFlops },
  { name: 'layer norm', flops: 0 },
  { name: 'layer norm forward and backward', flops: 0 },
  { name: 'ViT-S/16', flops: vitFlops(VIT) },
];

export const inputs = {
  matmul: ([m, k, n]) => ({ a: numbers(m * k, 1), b: numbers(k * n, 2), dc: numbers(m * n, 3) }),
  /** x [C, H, W], w [O, C, 3, 3], dy [O, H, W]. */
  conv: () => {
    const { C, O, H, W } = CONV;
    return { x: numbers(C * H * W, 3), w: numbers(9 * C * O, 4, 0.2), dy: numbers(O * H * W, 5) };
  },
  /** [tokens, heads, size] each. */
  attention: () => {
    const count = ATTENTION.heads * ATTENTION.tokens * ATTENTION.size;
    return { q: numbers(count, 6, 4), k: numbers(count, 7, 4), v: numbers(count, 8), dy: numbers(count, 9) };
  },
  norm: () => {
    const { rows, columns } = NORM;
    const count = rows * columns;
    return { x: numbers(count, 10, 4), w: numbers(columns, 11), b: numbers(columns, 12), dy: numbers(count, 13) };
  },
  /** A normalised image [3, side, side], and weights by the names of published checkpoints: matrices [outputs, inputs]. */
  vit: () => {
    const { dim, depth, patch, side, tokens } = VIT;
    const pair = (name, shape) => [[`${name}.weight`, shape], [`${name}.bias`, [shape[0]]]];
    const shapes = [['cls_token', [1, 1, dim]], ['pos_embed', [1, tokens, dim]]];
    shapes.push(...pair('patch_embed.proj', [dim, 3, patch, patch]));
    for (let i = 0; i < depth; i++) {
      const layers = {
        'attn.qkv': [3 * dim, dim], 'attn.proj': [dim, dim], 'mlp.fc1': [4 * dim, dim], 'mlp.fc2': [dim, 4 * dim],
        norm1: [dim], norm2: [dim],
      };
      for (const [name, shape] of Object.entries(layers)) shapes.push(...pair(`blocks.${i}.${name}`, shape));
    }
    const weights = Object.fromEntries(shapes.map(([name, shape], seed) => {
      const count = shape.reduce((n, s) => n * s, 1);
      const scale = shape.length > 1 && !/token|pos/.test(name) ? 3 / Math.sqrt(count / shape[0]) : 0.2;
      const data = numbers(count, 100 + seed, scale);
      return [name, { shape, data: /norm\d.weight/.test(name) ? data.map((v) => 1 + v) : data }];
    }));
    return { image: numbers(3 * side * side, 14, 4), weights };
  },
};

/** A matrix [rows, columns] transposed, for engines that multiply from the left. */
export function transposed({ shape, data }) {
  const rows = shape[0];
  const columns = data.length / rows;
  return Float32Array.from({ length: data.length }, (_, i) => data[(i % rows) * columns + Math.floor(i / rows)]);
}

/**
 * Answers the parent's questions. `operations` are functions by name that prepare an operation and return `{ run, error }`:
 * `run(n)` runs it n times and waits; `error` is the largest difference to a sum in double precision, absent for gradients.
 */
export function serve(engine, operations) {
  const prepared = new Map();
  const answer = (message) => process.stdout.write(`@${JSON.stringify(message)}\n`);
  const handle = async ({ name, runs }) => {
    if (!operations[name]) return { missing: true };
    if (!prepared.has(name)) prepared.set(name, await operations[name]());
    const { run, error } = prepared.get(name);
    const start = performance.now();
    await run(runs);
    return { ms: (performance.now() - start) / runs, error };
  };
  createInterface({ input: process.stdin }).on('line', (line) => {
    const failure = (reason) => ({ failed: String(reason?.message ?? reason).split('\n')[0].slice(0, 200) });
    handle(JSON.parse(line)).catch(failure).then(answer);
  }).on('close', () => process.exit(0));
  answer({ engine });
}

/** Dawn as `navigator.gpu`, for engines that look there. */
export async function installGpu() {
  const { create, globals } = await import('webgpu');
  Object.assign(globalThis, globals);
  globalThis.heldGpu = create([]);
  const navigator = { gpu: globalThis.heldGpu, userAgent: 'node' };
  Object.defineProperty(globalThis, 'navigator', { value: navigator, configurable: true, writable: true });
}
