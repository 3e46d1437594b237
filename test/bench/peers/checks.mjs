/** Checks of an engine's outputs against plain loops in double precision. */
import { ATTENTION, CONV, NORM, VIT, inputs } from './common.mjs';

/** The largest difference to sums in double precision, at some positions. Layouts as in `inputs`. */
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
      for (let c = 0; c < C; c++) for (let p = 0; p < 3; p++) for (let q = 0; q < 3; q++) {
        const [u, v] = [i + p - 1, j + q - 1];
        if (u >= 0 && v >= 0 && u < H && v < W) sum += x[(c * H + u) * W + v] * w[((o * C + c) * 3 + p) * 3 + q];
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
      const score = (j) => {
        let sum = 0;
        for (let d = 0; d < size; d++) sum += q[at(t, h, d)] * k[at(j, h, d)];
        return sum / Math.sqrt(size);
      };
      const weights = attentionWeights(tokens, score);
      return worst(8, (e) => weights.reduce((sum, p, j) => sum + p * v[at(j, h, 8 * e)], 0) - y[at(t, h, 8 * e)]);
    });
  },
  norm: (y) => {
    const { x, w, b } = inputs.norm();
    const { rows, columns } = NORM;
    return worst(9, (s) => {
      const first = ((s * 97) % rows) * columns;
      const right = normalised(x.subarray(first, first + columns), w, b, 1e-5);
      return worst(24, (c) => right[31 * c] - y[first + 31 * c]);
    });
  },
  vit: (y) => {
    const expected = vitReference();
    return worst(expected.length, (i) => expected[i] - y[i]);
  },
};

/** x w^T + b. */
function linear(x, w, b) {
  const [outputs, ins] = [b.length, w.length / b.length];
  return Float64Array.from({ length: (x.length / ins) * outputs }, (_, at) => {
    const [row, column] = [Math.floor(at / outputs) * ins, (at % outputs) * ins];
    let sum = b[at % outputs];
    for (let i = 0; i < ins; i++) sum += x[row + i] * w[column + i];
    return sum;
  });
}

function normalised(row, w, b, eps) {
  const mean = row.reduce((sum, v) => sum + v, 0) / row.length;
  const deviation = Math.sqrt(row.reduce((sum, v) => sum + (v - mean) ** 2, 0) / row.length + eps);
  return Float64Array.from(row, (v, c) => ((v - mean) / deviation) * w[c] + b[c]);
}

/** The probabilities of all keys for a query; `score(j)` is their product. */
function attentionWeights(tokens, score) {
  const scores = Float64Array.from({ length: tokens }, (_, j) => score(j));
  const top = Math.max(...scores);
  const weights = scores.map((value) => Math.exp(value - top));
  const total = weights.reduce((sum, p) => sum + p, 0);
  return weights.map((p) => p / total);
}

/** Attention of qkv [tokens, 3, heads, size]. */
function attend(qkv, { tokens, dim, heads }) {
  const y = new Float64Array(tokens * dim);
  const size = dim / heads;
  const part = (t, which, h) => qkv.subarray(3 * dim * t + which * dim + h * size).subarray(0, size);
  for (let h = 0; h < heads; h++) {
    for (let t = 0; t < tokens; t++) {
      const q = part(t, 0, h);
      const weights = attentionWeights(tokens, (j) => part(j, 1, h).reduce((sum, k, d) => sum + q[d] * k, 0) / Math.sqrt(size));
      const out = y.subarray(t * dim + h * size);
      weights.forEach((p, j) => part(j, 2, h).forEach((v, d) => (out[d] += p * v)));
    }
  }
  return y;
}

/** Rows of patches [patches, 3 * patch * patch] of an image. */
function patchesOf(image, { side, patch }) {
  const grid = side / patch;
  return Float64Array.from({ length: 3 * side * side }, (_, i) => {
    const [p, c] = [Math.floor(i / (3 * patch * patch)), Math.floor(i / (patch * patch)) % 3];
    const [y, x] = [Math.floor(i / patch) % patch, i % patch];
    return image[(c * side + Math.floor(p / grid) * patch + y) * side + (p % grid) * patch + x];
  });
}

/** Tokens [tokens, dim] after the last block, in double precision. */
function vitReference() {
  const { image, weights } = inputs.vit();
  const { dim, depth, eps } = VIT;
  const pair = (name) => [weights[`${name}.weight`].data, weights[`${name}.bias`].data];
  const norm = (x, name) => {
    const y = new Float64Array(x.length);
    for (let at = 0; at < x.length; at += dim) y.set(normalised(x.subarray(at, at + dim), ...pair(name), eps), at);
    return y;
  };
  const patches = linear(patchesOf(image, VIT), ...pair('patch_embed.proj'));
  const positions = weights['pos_embed'].data;
  let x = Float64Array.from([...weights['cls_token'].data, ...patches], (v, i) => v + positions[i]);
  for (let i = 0; i < depth; i++) {
    const layer = (y, name) => linear(y, ...pair(`blocks.${i}.${name}`));
    const add = (y) => { x = x.map((v, at) => v + y[at]); };
    add(layer(attend(layer(norm(x, `blocks.${i}.norm1`), 'attn.qkv'), VIT), 'attn.proj'));
    const hidden = layer(norm(x, `blocks.${i}.norm2`), 'mlp.fc1');
    add(layer(hidden.map((v) => 0.5 * v * (1 + erf(v / Math.SQRT2))), 'mlp.fc2'));
  }
  return x;
}

/** By its series, which converges everywhere; beyond 6 the difference to 1 is below double precision. */
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
    if (!(d <= most)) most = d; // keeps NaN
  }
  return most;
}
