/** Pictures as people have them, each with its outcome: the table is in pictures.ts. */
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { readPhoto } from '../../cli/photos/photo.js';
import { InputError } from '../../cli/shared/errors.js';
import { pixelAt, runNode, temporaryFile } from '../helpers/pictures.js';
import { bombs, pictures, type Circumstance } from './pictures.js';

async function outcome({ bytes, expected }: Circumstance): Promise<void> {
  const path = temporaryFile('picture', await bytes());
  const found = await readPhoto(path).catch((error: unknown) => error as Error);
  if ('refused' in expected) {
    assert.instance(found, InputError);
    assert.match((found as Error).message, expected.refused);
    assert.ok((found as Error).message.includes(path) && !/\n/.test((found as Error).message));
    return;
  }
  if (found instanceof Error) throw found;
  const { image, note } = found;
  const { size = [image.width, image.height], patches = [], most = 0, row = 0.5 } = expected;
  assert.equal([image.width, image.height], size);
  patches.forEach((patch, i) => {
    const x = Math.floor(((i + 0.5) * image.width) / patches.length);
    const pixel = pixelAt(image, x, Math.floor(row * image.height));
    assert.ok(pixel.every((value, c) => Math.abs(value - patch[c]!) <= most), `patch ${i}: ${pixel}, expected ${patch}`);
  });
  if (expected.note) assert.match(note ?? '', expected.note);
  else assert.is(note, undefined);
}

for (const circumstance of [...pictures, ...bombs]) test(circumstance.name, () => outcome(circumstance));

test('refusals cost no more than the bytes of the file', async () => {
  const script = `
    const { bombs } = await import(${JSON.stringify(new URL('pictures.js', import.meta.url).href)});
    const { readPhoto } = await import(${JSON.stringify(new URL('../../cli/photos/photo.js', import.meta.url).href)});
    const { readFileSync, writeFileSync } = await import('node:fs');
    for (const { bytes } of bombs) {
      writeFileSync(process.argv[1], await bytes());
      await readPhoto(process.argv[1]).then(() => { throw new Error('was read') }, () => undefined);
    }
    console.log(process.resourceUsage().maxRSS);`;
  const { code, stdout, stderr } = await runNode(['--input-type=module', '--eval', script, temporaryFile('bomb', '')]);
  assert.is(code, 0, stderr);
  assert.ok(Number(stdout) < 150 * 1024, `${stdout} KiB`);
});

test.run();
