/** Twelve steps of a small training, as bits: what a page and Deno compute is compared with what Node does. */
import { createEngine, traitsOf } from '../../engine/index.js';
import { defaultOptions, published } from '../../model/method/options.js';
import { startSplice } from '../../model/training/pair.js';
import { openDevice } from '../helpers/device.js';
import { testImage } from '../helpers/golden.js';
import { formulaVit } from '../helpers/models.js';

export interface Steps {
  /** The software driver's name, or all that the adapter says. */
  readonly driver: string;
  /** The loss's terms of each step, by name. */
  readonly losses: readonly Readonly<Record<string, number>>[];
  /** Values of the picture after the last step. */
  readonly picture: readonly number[];
  /** Errors that reached the device's event: none, or the device is used wrongly. */
  readonly uncaptured: readonly string[];
}

/** Trains a pair of pictures of 48 x 40 pixels with a ViT of four blocks, on a device with the default limits and no features. */
export async function twelveSteps(): Promise<Steps> {
  const device = await openDevice({ small: true, plain: true });
  const { description } = traitsOf(device);
  const driver = /llvmpipe|swiftshader/.exec(description.toLowerCase())?.[0] ?? description;
  const uncaptured: string[] = [];
  device.onuncapturederror = ({ error }) => void uncaptured.push(error.message);
  const engine = createEngine(device);
  const image = (name: string) => ({ width: 48, height: 40, data: testImage(name, 40, 48) });
  const options = { ...defaultOptions, ...published, vitSize: 32 };
  const run = await startSplice(engine, formulaVit('probe8', 'run', 0.5), image('run.a'), image('run.b'), options);
  const losses = [];
  for (let step = 0; step < 12; step++) {
    await run.step();
    losses.push({ ...(await run.losses()) } as Record<string, number>);
  }
  const picture = [...(await run.result()).data];
  run.destroy();
  engine.destroy();
  return { driver, losses, picture, uncaptured };
}
