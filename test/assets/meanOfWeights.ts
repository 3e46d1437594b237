/**
 * The weighted mean of two files of weights of the same shapes, as float16: `node dist/test/assets/meanOfWeights.js FIRST SECOND
 * SHARE OUT` writes (1 - SHARE) FIRST + SHARE SECOND, and the settings of FIRST. The mean of a ViT before and after a further
 * stretch keeps some of what the stretch forgot (WiSE-FT, arXiv 2109.01903).
 */
import { readFile } from 'node:fs/promises';
import { parseSafetensors, serializeSafetensors, type Weight } from '../../model/files/safetensors.js';
import { writeFileAtomic } from '../../cli/shared/files.js';

const [first = '', second = '', shareText = '', out = ''] = process.argv.slice(2);
const share = Number(shareText);
if (![first, second, out].every((path) => path.endsWith('.safetensors')) || !shareText || !(share >= 0 && share <= 1)) {
  console.error('usage: node dist/test/assets/meanOfWeights.js FIRST.safetensors SECOND.safetensors SHARE OUT.safetensors');
  process.exit(2);
}
const [a, b] = await Promise.all([first, second].map(async (path) => parseSafetensors(await readFile(path)).tensors));
if (a!.size !== b!.size) throw new Error(`${first} has ${a!.size} tensors, ${second} ${b!.size}: they are of different models`);
const mean = [...a!].map(([name, { shape, data }]): [string, Weight] => {
  const other = b!.get(name);
  if (String(other?.shape) !== String(shape)) throw new Error(`${second} has no ${name} of shape [${shape.join(', ')}]`);
  return [name, { shape, data: data.map((value, i) => (1 - share) * value + share * other!.data[i]!) }];
});
const settingsOf = (path: string): string => path.replace(/safetensors$/, 'json');
await writeFileAtomic(settingsOf(out), await readFile(settingsOf(first)));
await writeFileAtomic(out, serializeSafetensors(new Map(mean), { format: 'pt' }, 'F16'));
