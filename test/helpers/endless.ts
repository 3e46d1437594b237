/** Calibrates with an endless kernel and a store in the file that it is given; ends without waiting for the busy device. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { calibrate, createEngine, type Calibration } from '../../engine/index.js';
import { openDevice } from './device.js';
import { isTwice, kernels, twiceProgram } from './twice.js';

const path = process.argv[2]!;
const store = {
  read: async () => (existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as Calibration) : undefined),
  write: async (calibration: Calibration) => writeFileSync(path, JSON.stringify(calibration)),
};
const engine = createEngine(await openDevice(), { candidates: { twice: { endless: kernels.endless, good: kernels.good } } });
const program = await twiceProgram(engine);
const outcome = await calibrate(engine, program, { store, bound: 3000 }).then(
  async ({ rows }) => ({ chosen: rows[0]?.chosen, isRight: await isTwice(program) }),
  (error: Error) => ({ error: `${error.name}: ${error.message}` }),
);
process.stdout.write(JSON.stringify(outcome), () => process.exit());
