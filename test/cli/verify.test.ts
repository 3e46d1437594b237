/** `verify`: a result against photos, a ViT, and the first step of its run. */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { addPngText, readPngText, type PngText } from '../../cli/photos/pngText.js';
import { writeInputs } from '../faults/runs.js';
import { redBlue, runCli, temporaryFolder } from '../helpers/pictures.js';

const folder = temporaryFolder();
const at = (name: string): string => join(folder, name);
const inputs = await writeInputs('transfer', folder);
const run = await runCli([...inputs, '--steps', '1', '--detail', '0', '--out', at('out')]);
const result = at('out/result.png');
const photos = ['--structure', at('structure.png'), '--appearance', at('appearance.png')];
const everything = [...photos, '--model', at('vit.safetensors')];

/** Exit code and verdicts, in the order of the findings. */
async function verdicts(path: string, ...args: string[]): Promise<[number, ...string[]]> {
  const { code, stdout, stderr } = await runCli(['verify', path, ...args, '--json']);
  assert.not.match(stderr, /^splice-gpu: /m);
  return [code, ...JSON.parse(stdout).findings.map(({ verdict }: { verdict: string }) => verdict)];
}

/** The result with other texts. */
function withTexts(name: string, texts: PngText): string {
  // The last text of a keyword counts, and these come before the old ones; so the old ones are renamed.
  const bytes = readFileSync(result);
  for (const keyword of Object.keys(texts)) {
    const place = bytes.indexOf(`tEXt${keyword}\0`);
    if (place >= 0) bytes.write('~', place + 4, 'latin1');
  }
  writeFileSync(at(name), addPngText(bytes, texts));
  return at(name);
}

test('with the right photos and ViT the first step is repeated to the last digit', async () => {
  assert.is(run.code, 0, run.stderr);
  assert.equal(await verdicts(result, ...everything), [0, 'same', 'same', 'same', 'same']);
});

test('what is not given is not compared', async () => {
  assert.equal(await verdicts(result), [0, 'unknown', 'unknown', 'unknown', 'unknown']);
  assert.equal(await verdicts(result, ...photos), [0, 'same', 'same', 'unknown', 'unknown']);
});

test('another photo or another ViT is named, and exit code 1', async () => {
  writeFileSync(at('other.png'), await redBlue(89, 81).png().toBuffer());
  assert.equal(await verdicts(result, ...everything, '--structure', at('other.png')), [1, 'other', 'same', 'same', 'unknown']);
  assert.equal(await verdicts(result, ...photos, '--model', 'untrained'), [1, 'same', 'same', 'other', 'unknown']);
});

test('other settings or other losses do not pass; a difference as between devices does', async () => {
  const { Settings: settings, 'First losses': losses } = readPngText(readFileSync(result));
  const seed = withTexts('seed.png', { Settings: JSON.stringify({ ...JSON.parse(settings!), seed: 5 }) });
  assert.equal(await verdicts(seed, ...everything), [1, 'same', 'same', 'same', 'other']);
  const { total, ...others } = JSON.parse(losses!);
  const near = withTexts('near.png', { 'First losses': JSON.stringify({ ...others, total: total * 1.002 }) });
  assert.equal(await verdicts(near, ...everything), [0, 'same', 'same', 'same', 'close']);
});

test('a branch, and a run from a generator, have no first step of their own', async () => {
  for (const texts of [{ Branch: 'from step 4' }, { 'Generator SHA-256': 'ab' }]) {
    assert.equal(await verdicts(withTexts('branch.png', texts), ...everything), [0, 'same', 'same', 'same', 'unknown']);
  }
});

test('settings from a stranger cost no memory and print no control characters', async () => {
  const { Settings: settings } = readPngText(readFileSync(result));
  const large = withTexts('large.png', { Settings: JSON.stringify({ ...JSON.parse(settings!), size: 1e9 }) });
  const { code, stderr } = await runCli(['verify', large, ...everything]);
  assert.is.not(code, 0);
  assert.match(stderr, /large\.png carries damaged settings \(options\.size is 1000000000\)/);
  const loud = await runCli(['verify', withTexts('loud.png', { Model: 'a\u001b[31mb' })]);
  assert.not.match(loud.stdout, /\u001b/);
});

test('a picture without settings is one line', async () => {
  const { code, stderr } = await runCli(['verify', at('structure.png')]);
  assert.is.not(code, 0);
  assert.match(stderr, /structure\.png carries no settings of a transfer: give a result\.png as it was written/);
});

test.run();
