/**
 * The first step's losses on real photos, which first_step.py compares with PyTorch's: generator weights from the formula, no
 * augmentation, no optimizer. Writes the two photos as read to OUT and prints the losses of both recipes as JSON.
 *
 *     node dist/test/golden/firstStep.js STRUCTURE APPEARANCE MODEL SIDE OUT
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createEngine } from '../../engine/index.js';
import { openDevice } from '../../cli/gpu/device.js';
import { readPhoto } from '../../cli/photos/photo.js';
import { loadVit } from '../../cli/models/load.js';
import { flatten, layoutOf } from '../../model/generators/parameters.js';
import type { Image } from '../../model/image.js';
import { defaultOptions, published, type RecipeName } from '../../model/method/options.js';
import { recipes } from '../../model/method/recipes.js';
import { serializeSafetensors } from '../../model/files/safetensors.js';
import { names, stepGraph, type Setting } from '../../model/method/steps.js';
import { uploadVit } from '../../model/vit/vit.js';
import { formulaGenerator } from '../helpers/models.js';

type Arguments = [structure: string, appearance: string, model: string, side: string, out: string];
const [structurePath, appearancePath, modelPath, side, out] = process.argv.slice(2) as Arguments;
const photo = async (path: string) => (await readPhoto(path, { shorterSide: Number(side) })).image;
const [structure, appearance] = [await photo(structurePath), await photo(appearancePath)];
const { vit } = await loadVit(modelPath);
mkdirSync(out, { recursive: true });
const tensorOf = ({ height, width, data }: Image) => ({ shape: [1, 3, height, width], data });
const photos = new Map(Object.entries({ structure: tensorOf(structure), appearance: tensorOf(appearance) }));
writeFileSync(join(out, 'photos.safetensors'), serializeSafetensors(photos));

const { device } = await openDevice();

async function firstLosses(recipe: RecipeName, tag: string): Promise<number[]> {
  const engine = createEngine(device);
  const generator = recipes[recipe].generator();
  const layout = layoutOf(generator);
  const options = { ...defaultOptions, ...published, recipe };
  const setting: Setting = { vit, generator, layout, structure, appearance, options };
  uploadVit(engine, vit);
  for (const [name, { height, width, data }] of [[names.structure, structure], [names.appearance, appearance]] as const) {
    engine.writeParameter(name, [1, 3, height, width], data);
  }
  engine.writeParameter(names.weights, [layout.size], flatten(layout, formulaGenerator(generator, tag)));
  const { losses } = stepGraph(engine.graph(), { kind: 'uncropped' }, setting);
  const program = await engine.compile({ losses: losses! });
  program.write('lambdas', [1, 10, 1]);
  program.run();
  const values = [...(await program.read('losses'))];
  engine.destroy();
  return values;
}

const result = {
  splice: await firstLosses('splice', 'first.skip'),
  'splice-transfer': await firstLosses('splice-transfer', 'first.unet'),
};
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
