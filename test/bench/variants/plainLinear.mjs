/**
 * An example of a kernel variant: y = x w^T + b with 4 x 4 sums per thread and nothing else. Next to the project's own:
 *
 *     node dist/cli/bin.js bench kernels --filter linear --variant test/bench/variants/plainLinear.mjs
 *
 * `bench` compares its outputs with the usual kernel's before it times both in turn. Start from here: change `code`.
 */
const code = `
struct Dims { M: u32, N: u32, K: u32 }
@group(0) @binding(0) var<uniform> dims: Dims;
@group(0) @binding(1) var<storage, read> x: array<vec4f>;        // [M, K]
@group(0) @binding(2) var<storage, read> w: array<vec4f>;        // [N, K]
@group(0) @binding(3) var<storage, read> bias: array<vec4f>;     // [N]
@group(0) @binding(4) var<storage, read_write> y: array<vec4f>;  // [M, N]
@compute @workgroup_size(8, 8)
fn main(@builtin(global_invocation_id) id: vec3u) {
  let quads = dims.K / 4;
  let n = id.x;
  if (n * 4 >= dims.N || id.y * 4 >= dims.M) { return; }
  var sums = array<vec4f, 4>(bias[n], bias[n], bias[n], bias[n]);
  for (var k = 0u; k < quads; k++) {
    var columns = array<vec4f, 4>();
    for (var j = 0u; j < 4; j++) { columns[j] = w[(n * 4 + j) * quads + k]; }
    for (var i = 0u; i < 4; i++) {
      let row = x[min(id.y * 4 + i, dims.M - 1) * quads + k];
      sums[i] += vec4f(dot(row, columns[0]), dot(row, columns[1]), dot(row, columns[2]), dot(row, columns[3]));
    }
  }
  for (var i = 0u; i < min(4, dims.M - id.y * 4); i++) { y[(id.y * 4 + i) * dims.N / 4 + n] = sums[i]; }
}
`;

export default {
  name: 'plain',
  op: 'linear',
  /** `node` has the shapes, `usual` the project's own launch, whose bindings a variant must keep. */
  kernel: (node, usual) => {
    const [M, N, K] = usual.dims;
    if (node.inputs.length !== 3 || N % 4 !== 0 || K % 4 !== 0) return undefined;
    return { code, dims: [M, N, K], workgroups: [Math.ceil(N / 32), Math.ceil(M / 32), 1], flops: usual.flops };
  },
};
