/** Shapes, inputs and checks that every engine of the comparison shares, and how a child process answers. */
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

/** Every operation of the table, with what it computes (0: counted in bytes rather). */
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
  conv: () => ({ x: numbers(CONV.C * CONV.H * CONV.W, 3), w: numbers(9 * CONV.C * CONV.O, 4, 0.2), dy: numbers(CONV.O * CONV.H * CONV.W, 5) }),
  /** [tokens, heads, size] each. */
  attention: () => {
    const count = ATTENTION.heads * ATTENTION.tokens * ATTENTION.size;
    return { q: numbers(count, 6, 4), k: numbers(count, 7, 4), v: numbers(count, 8), dy: numbers(count, 9) };
  },
  norm: () => {
    const { rows, columns } = NORM;
    return { x: numbers(rows * columns, 10, 4), w: numbers(columns, 11), b: numbers(columns, 12), dy: numbers(rows * columns, 13) };
  },
  /** A normalised image [3, side, side], and weights by the names of published checkpoints: matrices [outputs, inputs]. */
  vit: () => {
    const { dim, depth, patch, side, tokens } = VIT;
    const shapes = [['cls_token', [1, 1, dim]], ['pos_embed', [1, tokens, dim]], ['patch_embed.proj.weight', [dim, 3, patch, patch]], ['patch_embed.proj.bias', [dim]]];
    for (let i = 0; i < depth; i++) {
      const layers = [['attn.qkv', 3 * dim, dim], ['attn.proj', dim, dim], ['mlp.fc1', 4 * dim, dim], ['mlp.fc2', dim, 4 * dim]];
      for (const [name, outputs, ins] of layers) shapes.push([`blocks.${i}.${name}.weight`, [outputs, ins]], [`blocks.${i}.${name}.bias`, [outputs]]);
      for (const name of ['norm1', 'norm2']) shapes.push([`blocks.${i}.${name}.weight`, [dim]], [`blocks.${i}.${name}.bias`, [dim]]);
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

/** A matrix [rows, columns] the other way round, as engines want it that multiply from the left. */
export function transposed({ shape, data }) {
  const rows = shape[0];
  const columns = data.length / rows;
  return Float32Array.from({ length: data.length }, (_, i) => data[(i % rows) * columns + Math.floor(i / rows)]);
}

/** Largest difference to sums in double precision at some places. Layouts as in `inputs`. */
export const checks = {
  matmul: ([m, k, n], c) => {
    const { a, b } = inputs.matmul([m, k, n]);
    return worst(64, (s) => {
      const [i, j] = [(s * 7919) % m, (s * 104729) % n];
      let sum = 0;
      for (let x = 0; x < k; x++) sum += a[i * k + x] * b[x * n + j];
      return sum - c[i * n + j];
    });
  },
  conv: (y) => {
    const { x, w } = inputs.conv();
    const { H, W, C } = CONV;
    return worst(32, (s) => {
      const [i, j, o] = [(s * 37) % H, (s * 53) % W, (s * 11) % CONV.O];
      let sum = 0;
      for (let c = 0; c < C; c++) {
        for (let p = 0; p < 3; p++) {
          for (let q = 0; q < 3; q++) {
            const [u, v] = [i + p - 1, j + q - 1];
            if (u >= 0 && v >= 0 && u < H && v < W) sum += x[(c * H + u) * W + v] * w[((o * C + c) * 3 + p) * 3 + q];
          }
        }
      }
      return sum - y[(o * H + i) * W + j];
    });
  },
  attention: (y) => {
    const { q, k, v } = inputs.attention();
    const { heads, tokens, size } = ATTENTION;
    const at = (t, h, d) => (t * heads + h) * size + d;
    return worst(12, (s) => {
      const [h, t] = [(s * 5) % heads, (s * 101) % tokens];
      const scores = Array.from({ length: tokens }, (_, j) => {
        let sum = 0;
        for (let d = 0; d < size; d++) sum += q[at(t, h, d)] * k[at(j, h, d)];
        return sum / Math.sqrt(size);
      });
      const top = Math.max(...scores);
      const weights = scores.map((score) => Math.exp(score - top));
      const total = weights.reduce((sum, p) => sum + p, 0);
      return worst(8, (e) => weights.reduce((sum, p, j) => sum + (p / total) * v[at(j, h, 8 * e)], 0) - y[at(t, h, 8 * e)]);
    });
  },
  norm: (y) => {
    const { x, w, b } = inputs.norm();
    const { rows, columns } = NORM;
    return worst(9, (s) => {
      const row = x.subarray(((s * 97) % rows) * columns, ((s * 97) % rows) * columns + columns);
      const mean = row.reduce((sum, value) => sum + value, 0) / columns;
      const deviation = Math.sqrt(row.reduce((sum, value) => sum + (value - mean) ** 2, 0) / columns + 1e-5);
      return worst(24, (c) => ((row[31 * c] - mean) / deviation) * w[31 * c] + b[31 * c] - y[((s * 97) % rows) * columns + 31 * c]);
    });
  },
  vit: (y) => {
    const expected = vitReference();
    return worst(expected.length, (i) => expected[i] - y[i]);
  },
};

/** Tokens [tokens, dim] after the last block, in double precision. */
function vitReference() {
  const { image, weights } = inputs.vit();
  const { dim, heads, depth, patch, side, tokens, eps } = VIT;
  const w = (name) => weights[name].data;
  const linear = (x, name) => {
    const [weight, bias] = [w(`${name}.weight`), w(`${name}.bias`)];
    const [outputs, ins] = [bias.length, weight.length / bias.length];
    return Float64Array.from({ length: (x.length / ins) * outputs }, (_, at) => {
      const [row, column] = [Math.floor(at / outputs) * ins, (at % outputs) * ins];
      let sum = bias[at % outputs];
      for (let i = 0; i < ins; i++) sum += x[row + i] * weight[column + i];
      return sum;
    });
  };
  const norm = (x, name) => {
    const y = new Float64Array(x.length);
    for (let at = 0; at < x.length; at += dim) {
      const row = x.subarray(at, at + dim);
      const mean = row.reduce((sum, v) => sum + v, 0) / dim;
      const deviation = Math.sqrt(row.reduce((sum, v) => sum + (v - mean) ** 2, 0) / dim + eps);
      for (let c = 0; c < dim; c++) y[at + c] = ((row[c] - mean) / deviation) * w(`${name}.weight`)[c] + w(`${name}.bias`)[c];
    }
    return y;
  };
  const attend = (qkv) => {
    const y = new Float64Array(tokens * dim);
    const size = dim / heads;
    const at = (t, which, h) => 3 * dim * t + which * dim + h * size;
    for (let h = 0; h < heads; h++) {
      for (let t = 0; t < tokens; t++) {
        const scores = Float64Array.from({ length: tokens }, (_, j) => {
          let sum = 0;
          for (let d = 0; d < size; d++) sum += qkv[at(t, 0, h) + d] * qkv[at(j, 1, h) + d];
          return sum / Math.sqrt(size);
        });
        const top = Math.max(...scores);
        const shares = scores.map((score) => Math.exp(score - top));
        const total = shares.reduce((sum, p) => sum + p, 0);
        for (let j = 0; j < tokens; j++) for (let d = 0; d < size; d++) y[t * dim + h * size + d] += (shares[j] / total) * qkv[at(j, 2, h) + d];
      }
    }
    return y;
  };
  const grid = side / patch;
  const patches = new Float64Array(grid * grid * 3 * patch * patch);
  patches.forEach((_, i) => {
    const [p, c, y, x] = [Math.floor(i / (3 * patch * patch)), Math.floor(i / (patch * patch)) % 3, Math.floor(i / patch) % patch, i % patch];
    patches[i] = image[(c * side + Math.floor(p / grid) * patch + y) * side + (p % grid) * patch + x];
  });
  let x = Float64Array.from([...w('cls_token'), ...linear(patches, 'patch_embed.proj')], (v, i) => v + w('pos_embed')[i]);
  for (let i = 0; i < depth; i++) {
    const add = (y) => { x = x.map((v, at) => v + y[at]); };
    add(linear(attend(linear(norm(x, `blocks.${i}.norm1`), `blocks.${i}.attn.qkv`)), `blocks.${i}.attn.proj`));
    const hidden = linear(norm(x, `blocks.${i}.norm2`), `blocks.${i}.mlp.fc1`);
    add(linear(hidden.map((v) => 0.5 * v * (1 + erf(v / Math.SQRT2))), `blocks.${i}.mlp.fc2`));
  }
  return x;
}

/** By its series, which converges everywhere; beyond 6 nothing is left of the difference to 1. */
function erf(x) {
  if (Math.abs(x) > 6) return Math.sign(x);
  let [term, sum] = [x, x];
  for (let n = 1; Math.abs(term) > 1e-17 * Math.abs(sum); n++) {
    term *= (-x * x) / n;
    sum += term / (2 * n + 1);
    if (n > 300) break;
  }
  return (2 / Math.sqrt(Math.PI)) * sum;
}

function worst(count, difference) {
  let most = 0;
  for (let i = 0; i < count; i++) {
    const d = Math.abs(difference(i));
    if (!(d <= most)) most = d; // NaN stays
  }
  return most;
}

/**
 * Answers the parent: `operations` are by name functions that prepare one and give `{ run, error }`: run(n) does it n times and waits; error is the
 * largest difference to a sum in double precision, absent where only the time is measured (gradients).
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
    handle(JSON.parse(line)).catch((reason) => ({ failed: String(reason?.message ?? reason).split('\n')[0].slice(0, 200) })).then(answer);
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
