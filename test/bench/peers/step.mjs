/**
 * A training step next to PyTorch's on the same machine, if its Python has PyTorch:
 *
 *     node test/bench/peers/step.mjs [--vit vit-small-16] [--size 128] [--input 224] [--steps 3] [--python python3]
 *         [--device cpu|cuda]
 *
 * PyTorch's variants are those of test/golden/oracle/bench_step.py: `reference` computes as the published code does, `shared`
 * with one ViT pass per image, as this project does.
 */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { join } from 'node:path';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const names = { 'vit-small-8': 'vits8', 'vit-small-16': 'vits16', 'vit-base-8': 'vitb8', 'vit-base-16': 'vitb16' };
const text = (value) => ({ type: 'string', default: value });
const { values } = parseArgs({
  options: {
    vit: text('vit-small-16'), size: text('128'), input: text('224'), steps: text('3'), python: text('python3'), device: text(''),
  },
});

function fail(message) {
  process.stderr.write(`step: ${message}\n`);
  process.exit(1);
}
if (!names[values.vit]) fail(`--vit ${values.vit} is unknown: give ${Object.keys(names).join(', ')}`);

/** The output of a program. When the program fails, prints its last line and exits. */
function printed(command, args) {
  const { stdout, stderr, status, error } = spawnSync(command, args, { encoding: 'utf8', maxBuffer: 2 ** 26 });
  if (status !== 0) fail(`${command} ${args[0]} failed: ${error?.message ?? stderr.trim().split('\n').at(-1)}`);
  return stdout;
}

const { size, input, steps } = values;
const torch = printed(values.python, [
  join(root, 'test/golden/oracle/bench_step.py'), '--vit', names[values.vit], '--size', size, '--input', input, '--steps', steps,
  '--warmup', '1', ...(values.device ? ['--device', values.device] : []),
]);
const own = JSON.parse(printed(process.execPath, [
  join(root, 'dist/cli/bin.js'), 'bench', 'step', '--model', values.vit, '--size', size, '--vit-size', input,
  '--repeats', steps, '--json',
]));
const rowOf = ({ variant, device, torch: version, ms_median: ms }) => ({ name: `PyTorch ${version}, ${variant}, ${device}`, ms });
const rows = [
  { name: `splice-gpu, ${own.adapter.device || own.adapter.driver}`, ms: own.figures.stepMs },
  ...torch.trim().split('\n').map((line) => rowOf(JSON.parse(line))),
];
console.log(`${values.vit}, crops of ${size}, ViT input ${input}\n\n| a step | median ms | of splice-gpu's |\n|---|---:|---:|`);
for (const { name, ms } of rows) console.log(`| ${name} | ${ms.toFixed(0)} | ${(ms / rows[0].ms).toFixed(2)}x |`);
process.exit(0);
