/** Every row of the table of checkpoints, as a command reads them. */
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { loadVit } from '../../cli/models/load.js';
import { InputError } from '../../cli/shared/errors.js';
import { temporaryFile, temporaryFolder } from '../helpers/pictures.js';
import { traces } from '../faults/checkpoints.js';
import { fieldCheckpoints, valueOf } from './checkpoints.js';

for (const { circumstance, make, expected, name = 'a.pth' } of fieldCheckpoints) {
  test(circumstance, async () => {
    let said = '';
    const output = { write: (text: string) => (said += text) };
    const result = await loadVit(temporaryFile(name, make()), {}, { output }).catch((error: unknown) => error as Error);
    if ('refused' in expected) {
      assert.instance(result, InputError, String((result as Error).stack ?? 'it was read'));
      const { message } = result as Error;
      assert.match(message, expected.refused);
      assert.not.match(message, /\n|norm\.weight/);
      return;
    }
    if (result instanceof Error) throw result;
    assert.is(result.vit.weights.get('cls_token')!.data[0], valueOf(expected.takes));
    assert.equal(said.split('\n').length, expected.says ? 2 : 1, said);
    assert.match(said, expected.says ?? /^$/);
  });
}

test('what a pickle would run is not run, in place of weights and beside them', async () => {
  const trace = join(temporaryFolder(), 'trace');
  for (const [i, bytes] of traces(trace).entries()) await loadVit(temporaryFile(`${i}.pth`, bytes)).catch(() => undefined);
  assert.not(existsSync(trace));
});

test.run();
