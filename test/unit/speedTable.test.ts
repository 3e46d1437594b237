/** The README's table of steps. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parseReport, REPORTED, type DeviceReport } from '../../cli/bench/report.js';
import { currentTable, speedTable, withTable, type PredictedRow } from '../bench/speedTable.js';
import { text } from '../helpers/sources.js';

const adapter = { vendor: 'nvidia', architecture: '', device: 'NVIDIA H100 SXM5 80GB', driver: '580', software: false };
const prediction = (gpu: string, model: string, size: number): PredictedRow =>
  ({ gpu, model, size, ms: 40.4, best: 31, worst: 50 });

test('a measurement takes the place of a prediction, and predictions are marked', () => {
  const predictions = ['NVIDIA H100 SXM', 'AMD RX 7900 XTX'].flatMap((gpu) =>
    REPORTED.map(({ model, size }) => prediction(gpu, model, size)));
  const before = speedTable([], predictions).split('\n');
  assert.is(before[2], '| NVIDIA H100 SXM | 40 ms (31 to 50) | 40 ms (31 to 50) | *prediction* |');
  const onUnits = { ...prediction('NVIDIA H100 SXM', REPORTED[1].model, REPORTED[1].size), on: 'f16 on matrix units', ms: 20 };
  assert.is(speedTable([], [...predictions, onUnits]).split('\n')[3],
    '| NVIDIA H100 SXM, f16 on matrix units |  | 20 ms (31 to 50) | *prediction* |');
  const steps = [{ step: REPORTED[1], precision: 'f32', figures: { stepMs: 1234.5 } }];
  const report = { adapter, steps, system: { processors: 8 } } as unknown as DeviceReport;
  const after = speedTable([report], predictions).split('\n');
  assert.is(after[2], '| NVIDIA H100 SXM5 80GB |  | 1.23 s | measured |');
  assert.not.ok(after.some((line) => line.includes('| NVIDIA H100 SXM |')));
  assert.ok(after.some((line) => /7900.*\*prediction\*/.test(line)));
});

test('a file that is no report is refused', () => {
  assert.throws(() => parseReport('{"what":"step"}', 'a.json'), /a\.json is no report of a device/);
  assert.throws(() => withTable('# no marks', ''), /lacks the marks/);
});

test("the README has the table of the files in results/ (node dist/test/bench/speedTable.js --write)", () => {
  assert.ok(text('README.md').includes(currentTable()));
});

test.run();
