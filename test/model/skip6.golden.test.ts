/** The network of the published inversions (six scales, windows 7 to 3, reflect padding) against PyTorch. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { bindParameters, flatten, layoutOf } from '../../model/generators/parameters.js';
import { painters } from '../../model/study/invert.js';
import { assertClose } from '../helpers/check.js';
import { testEngine } from '../helpers/device.js';
import { fill, golden } from '../helpers/golden.js';
import { formulaGenerator } from '../helpers/models.js';

test('skip6 output', async () => {
  const { meta, get, tolerance } = golden('skip6_70x65');
  const generator = painters.skip6();
  const specOf = (name: string) => generator.parameters.find((p) => p.name === name)!;
  const windows = [0, 1, 2, 3, 4, 5].map((i) => specOf(`scale.${i}.down1.conv.weight`).shape[2]);
  assert.equal(windows, meta['windows']);
  const [engine, layout, shape] = [await testEngine(), layoutOf(generator), [1, 32, 70, 65]];
  engine.writeParameter('skip6', [layout.size], flatten(layout, formulaGenerator(generator, meta['params'] as string)));
  const g = engine.graph();
  const bound = bindParameters(g, 'skip6', layout);
  const program = await engine.compile({ output: generator.forward(bound.get, g.input('x', shape)) });
  program.write('x', fill(meta['input'] as string, shape));
  program.run();
  assertClose('output', await program.read('output'), get('output').data, tolerance('output'));
  program.destroy();
});

test.run();
