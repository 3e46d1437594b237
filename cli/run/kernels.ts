/** The kernels that a training runs with: those of its config, or those that calibration chose for the device. */
import { schedule, uncalibrated, unmeasured, type Calibration } from '../../engine/index.js';
import { calibrationIn, calibrationStore, interruptible } from '../gpu/calibration.js';
import type { Fields } from './config.js';
import type { OpenedEngine, Parts } from './parts.js';
import type { Training } from './training.js';

/** At most this long is measured before a training, once per adapter, driver and version. */
const SECONDS = 10;

/** The part of a calibration that decides: kernels other than the usual ones, and usual ones that must not run. */
function inForce({ chosen, struck }: Calibration): Calibration {
  return {
    chosen: Object.fromEntries(Object.entries(chosen).filter(([, kernel]) => kernel !== 'usual')),
    struck: Object.fromEntries(Object.entries(struck).filter(([name]) => name.endsWith(': usual'))),
  };
}

/** Measures what is not known yet about the launches of a training. A failure costs speed only. */
async function measureFirst(
  { command, tune, precision = 'f32' }: Training, { engine, adapter }: OpenedEngine, parts: Parts, note: (text: string) => void,
): Promise<Calibration> {
  const { measureApart, interrupt } = parts;
  const store = calibrationStore(adapter);
  const known = (await store.read()) ?? uncalibrated;
  const graphs = await tune!.graphs(() => engine.graph());
  const nodes = graphs.flatMap((outputs) => schedule(Object.values(outputs)).launches);
  if (unmeasured(engine, nodes, known) === 0) return known;
  note(`measuring which kernels are right and fastest here, for at most ${SECONDS} s (--no-tune leaves it out)`);
  const struck = new Set(Object.keys(known.struck));
  try {
    const use = { precision, units: adapter.units !== undefined };
    const request = { command, options: tune!.options, seconds: SECONDS, use };
    await interruptible(store, interrupt, measureApart!(request, interrupt));
  } catch (error) {
    interrupt.throwIfAborted();
    note(`note: not all kernels could be measured: ${(error as Error).message}`);
  }
  const found = (await store.read()) ?? known;
  for (const [name, why] of Object.entries(found.struck)) {
    if (!struck.has(name)) note(`note: kernel struck out: ${name}: ${why}`);
  }
  return found;
}

/**
 * Gives an engine the kernels of a training, and returns them as config.json keeps them; undefined for the usual ones. A run that
 * is resumed on its device has those it began with, so that it computes the same bytes.
 */
export async function useKernels(
  training: Training, opened: OpenedEngine, saved: Fields | undefined, parts: Parts, note: (text: string) => void,
): Promise<Calibration | undefined> {
  const { engine, adapter } = opened;
  const kept = calibrationIn(saved?.['kernels']);
  if (saved && !kept) return undefined;
  const isSameDevice = saved && JSON.stringify(saved['device']) === JSON.stringify(adapter);
  if (!kept && (adapter.software || !training.tune || !parts.measureApart)) return undefined;
  const elsewhere = async (): Promise<Calibration> => (await calibrationStore(adapter).read()) ?? uncalibrated;
  const calibration = !kept ? await measureFirst(training, opened, parts, note) : isSameDevice ? kept : await elsewhere();
  engine.launcher.calibration = calibration;
  return inForce(calibration);
}
