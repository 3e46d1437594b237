/** The ops' own kernels with vectors as wide as the command line has them. The other tests have narrow ones: see main.ts. */
import { readdirSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { mesaSettings } from '../../cli/gpu/mesa.js';
import { outcome, runFiles } from '../main.js';

const folder = new URL('../ops/', import.meta.url);
const { LP_NATIVE_VECTOR_WIDTH: width } = mesaSettings({});

if (width === undefined) console.log('vectors: skipped, this processor has no wider ones than the other tests use');
else {
  test(`own kernels of all ops with vectors of ${width} bits`, async () => {
    const names = readdirSync(folder).filter((name) => name.endsWith('.test.js'));
    const suites = names.map((name) => ({ name, file: fileURLToPath(new URL(name, folder)) }));
    const { output, code } = await runFiles(suites, { ...process.env, LP_NATIVE_VECTOR_WIDTH: width, SPLICE_GPU_OWN: '1' });
    const { text, totals } = outcome(output, code);
    assert.ok(totals.total > names.length && totals.passed === totals.total, text);
  });
}

test.run();
