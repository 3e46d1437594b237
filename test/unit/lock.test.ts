/** Folders of processes that may be gone. */
import { mkdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { isAbandoned, lockFolder } from '../../cli/shared/lock.js';
import { temporaryFolder } from '../helpers/pictures.js';

test('a folder is abandoned when its process is gone, not while another process makes it', async () => {
  const folder = join(temporaryFolder(), 'host-1-abcd');
  assert.is(await isAbandoned(folder), false, 'there is none');
  mkdirSync(folder);
  assert.is(await isAbandoned(folder), false, 'its lock may be on the way');
  const unlock = await lockFolder(folder);
  utimesSync(folder, 1, 1);
  assert.is(await isAbandoned(folder), false, 'held by this process');
  await unlock();
  assert.is(await isAbandoned(folder), false, 'changed a moment ago');
  utimesSync(folder, 1, 1);
  assert.is(await isAbandoned(folder), true, 'old, without a lock');
  writeFileSync(join(folder, '.running-00.json'), '{}');
  assert.is(await isAbandoned(folder), true, 'with a lock of nobody');
});

test.run();
