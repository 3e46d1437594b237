/**
 * The figures for the warning about pairs that hardly match: the match of each pair in a folder, and of all mismatched pairings
 * of their photos.
 *
 *     node dist/test/study/pairMatch.js PAIRS_FOLDER WEIGHTS.safetensors...
 *
 * PAIRS_FOLDER/NAME holds structure.* and appearance.* of a pair.
 */
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { openDevice } from '../../cli/gpu/device.js';
import { readImage } from '../../cli/photos/photo.js';
import { loadVit } from '../../cli/models/load.js';
import { createEngine } from '../../engine/index.js';
import { featuresOf, type Features } from '../../model/compare/features.js';
import { LEAST_MATCH, pairMatch } from '../../model/compare/match.js';
import { uploadVit } from '../../model/vit/vit.js';

const [folder, ...models] = process.argv.slice(2) as [string, ...string[]];
const { device } = await openDevice();
const engine = createEngine(device);

for (const model of models) {
  const { vit } = await loadVit(model);
  uploadVit(engine, vit);
  const read = async (pair: string, which: 'structure' | 'appearance'): Promise<Features> => {
    const file = readdirSync(join(folder, pair)).find((name) => name.startsWith(`${which}.`))!;
    return featuresOf(engine, vit, await readImage(join(folder, pair, file), { shorterSide: 256 }), 224);
  };
  const pairs: { name: string; structure: Features; appearance: Features }[] = [];
  for (const name of readdirSync(folder)) {
    pairs.push({ name, structure: await read(name, 'structure'), appearance: await read(name, 'appearance') });
  }
  const all = pairs.flatMap((a) => pairs.map((b) => {
    const match = pairMatch(a.structure, b.appearance, vit.config.dim);
    return { isPair: a === b, name: a === b ? a.name : `${a.name} as ${b.name}`, match };
  })).sort((p, q) => q.match - p.match);
  console.log(`\n${vit.name}`);
  for (const { isPair, name, match } of all) console.log(`${match.toFixed(3)} ${isPair ? '*' : ' '} ${name}`);
  for (const kind of [true, false]) {
    const of = all.filter(({ isPair }) => isPair === kind);
    const below = of.filter(({ match }) => match < LEAST_MATCH);
    console.log(`${kind ? 'pairs' : 'mismatched'}: ${below.length} of ${of.length} below ${LEAST_MATCH}`);
  }
}
process.exit(0); // a held GPU object keeps Node alive
