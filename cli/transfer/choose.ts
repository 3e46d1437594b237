/** `--size auto`: sizes and number of steps that suit the device, chosen before the start and kept in config.json. */
import {
  LARGEST, sizesFor, softwareVitSize, type Choice, type Choosable, type PairFacts,
} from '../../model/training/sizes.js';
import type { DeviceFacts } from '../gpu/device.js';

/** On a software adapter: fine enough for the layout, and fast enough for hundreds of steps. */
const SOFTWARE_LARGEST = 128;
/** What one core of a software adapter computes in a second. */
const CORE_FLOPS = 15e9;
const SOFTWARE_SECONDS = 240;
const [FEWEST_STEPS, MOST_STEPS] = [200, 1000];

/**
 * Chooses what is in `choose` and takes the rest from `given`. The same facts give the same choice: nothing is measured.
 * A photo is never enlarged.
 */
export function chooseFor(choose: readonly Choosable[], given: Choice, device: DeviceFacts, pair: PairFacts): Choice {
  const { software, cores } = device;
  const isFree = (name: Choosable): boolean => choose.includes(name);
  const vitSize = isFree('vitSize') ? softwareVitSize(given.vitSize, device, pair) : given.vitSize;
  const size = sizesFor(given, vitSize, device, pair, software ? SOFTWARE_LARGEST : LARGEST)[0]!;
  const sized = isFree('size') ? { ...given, vitSize, size } : { ...given, vitSize };
  if (!isFree('steps') || !software) return sized;
  const affordable = (SOFTWARE_SECONDS * CORE_FLOPS * cores) / pair.flops(sized);
  const steps = Math.min(MOST_STEPS, Math.max(FEWEST_STEPS, 50 * Math.round(affordable / 50)));
  return { ...sized, steps: Math.min(given.steps, steps) };
}

/**
 * Lines for people: what was chosen and why, and what else there is. Empty when nothing was.
 * @param warmStart steps before those of the choice, which cost half as much
 */
export function describeChoice(
  choose: readonly Choosable[], { size, vitSize, steps }: Choice, warmStart: number, { software, cores }: DeviceFacts,
  flops: number,
): string[] {
  const values = { size: `--size ${size}`, vitSize: `--vit-size ${vitSize}`, steps: `--steps ${steps}` };
  const chosen = choose.filter((name) => software || name === 'size').map((name) => values[name]);
  if (chosen.length === 0) return [];
  if (!software) return [`chosen for this GPU and these photos: ${chosen.join(' ')}`];
  const minutes = Math.ceil(((steps + warmStart / 2) * flops) / (60 * CORE_FLOPS * cores));
  return [
    `chosen for a software adapter (no GPU) on ${cores} cores: ${chosen.join(' ')}, a first picture in some ${minutes} min`,
    `a GPU would train at up to ${LARGEST} pixels for thousands of steps; here, more --steps bring the look nearer`,
  ];
}
