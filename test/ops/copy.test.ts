import { test } from 'uvu';
import { copy } from '../../engine/index.js';
import { checkOp } from '../helpers/check.js';

for (const shape of [[1], [3, 5], [1000]]) {
  test(`copy ${shape}`, () => checkOp({ inputs: { x: shape }, build: ({ x }) => copy(x!), reference: ({ x }) => x! }));
}

test.run();
