/** Bad input through the real command line: one line that names the thing and the remedy, an exit code, nothing left behind. */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { serializeSafetensors } from '../../model/files/safetensors.js';
import { rawPng, redBlue, splice, temporaryFile, temporaryFolder } from '../helpers/pictures.js';
import { tinyWeights } from '../helpers/tinyVit.js';

const photo = temporaryFile('photo.png', await redBlue(60, 40).png().toBuffer());
const weights = (change: (map: ReturnType<typeof tinyWeights>) => void = () => undefined) => {
  const map = tinyWeights();
  change(map);
  return temporaryFile('vit.safetensors', serializeSafetensors(map));
};
const good = weights();

interface Case {
  readonly name: string;
  /** Stronger than a good command line. */
  readonly options: Readonly<Record<string, string>>;
  readonly code: 1 | 2;
  /** What the line must name. */
  readonly names: RegExp;
  readonly remedy: RegExp;
}

const sidecarFor = (text: string): string => {
  const path = weights();
  writeFileSync(path.replace('.safetensors', '.json'), text);
  return path;
};
const blocked = temporaryFile('file', 'in the way');

const cases: readonly Case[] = [
  { name: 'missing file', options: { structure: '/nowhere/cow.jpg' }, code: 1, names: /\/nowhere\/cow\.jpg does not exist/, remedy: /check the path/ },
  { name: 'a blank photo', options: { appearance: temporaryFile('blank.png', await sharp({ create: { width: 60, height: 40, channels: 3, background: 'teal' } }).png().toBuffer()) }, code: 1, names: /blank\.png is a single colour all over/, remedy: /use another photo/ },
  { name: 'text named .png', options: { appearance: temporaryFile('list.png', 'milk') }, code: 1, names: /list\.png is not a photo but text/, remedy: /save it as PNG, JPEG/ },
  { name: '0-byte file', options: { structure: temporaryFile('void.png', '') }, code: 1, names: /void\.png is empty \(0 bytes\)/, remedy: /export it again/ },
  { name: '1x1 image', options: { structure: temporaryFile('dot.png', await redBlue(1, 1).png().toBuffer()) }, code: 1, names: /dot\.png is 1 x 1 pixels/, remedy: /use one of at least 16 x 16/ },
  { name: '1x1 image made larger', options: { structure: temporaryFile('dot.png', await redBlue(1, 1).png().toBuffer()), size: '128' }, code: 1, names: /dot\.png is 1 x 1 pixels/, remedy: /use one of at least/ },
  { name: 'too small for the generator', options: { size: '20' }, code: 1, names: /photo\.png is 60 x 40 pixels, used at 30 x 20/, remedy: /--size 35 or above/ },
  { name: '20000x20000 image', options: { structure: temporaryFile('huge.png', rawPng({ width: 20000, height: 20000, bitDepth: 8, colorType: 2, rows: [] })) }, code: 1, names: /huge\.png is 20000 x 20000 pixels/, remedy: /make it smaller/ },
  { name: 'DIR below a file', options: { out: join(blocked, 'out') }, code: 1, names: /output folder .*file.out is a file, or lies below one/, remedy: /choose another path/ },
  { name: 'DIR is a file', options: { out: blocked }, code: 1, names: /output folder .*file is a file/, remedy: /choose another path/ },
  { name: 'DIR where nothing can be written', options: { out: '/proc/splice-gpu-out' }, code: 1, names: /output folder \/proc\/splice-gpu-out/, remedy: /choose another path|check the path/ },
  { name: 'unknown model', options: { model: 'dino_vits99' }, code: 2, names: /unknown model "dino_vits99"/, remedy: /known are vit_mini8, dino_mini8, untrained, dino_vits8, .*; or give the path/ },
  { name: 'missing weight file', options: { model: 'none.safetensors' }, code: 1, names: /none\.safetensors does not exist/, remedy: /check the path/ },
  { name: 'a tensor missing', options: { model: weights((map) => map.delete('blocks.1.norm2.weight')) }, code: 1, names: /vit\.safetensors: a tensor is missing: blocks\.1\.norm2\.weight/, remedy: /get the file again or use another ViT/ },
  { name: 'a tensor misshapen', options: { model: weights((map) => map.set('cls_token', { shape: [8], data: new Float32Array(8) })) }, code: 1, names: /cls_token is \[8\], expected \[1, 1, 8\]/, remedy: /get the file again/ },
  { name: 'NaN weights', options: { model: weights((map) => map.get('pos_embed')!.data.fill(NaN)) }, code: 1, names: /not finite \(NaN or infinity\) in pos_embed/, remedy: /get the file again/ },
  { name: 'weights that are no safetensors', options: { model: temporaryFile('a.safetensors', 'just some text, long enough') }, code: 1, names: /a\.safetensors: not a safetensors file/, remedy: /get the file again/ },
  { name: 'a damaged PyTorch checkpoint', options: { model: temporaryFile('a.pth', 'PK\x03\x04 and so on') }, code: 1, names: /a\.pth: the zip archive has no end: it is cut short/, remedy: /get the file again/ },
  { name: 'a sidecar that is no JSON', options: { model: sidecarFor('{') }, code: 1, names: /vit\.json does not describe a ViT \(it is not JSON\)/, remedy: /correct or remove it/ },
  { name: 'a sidecar with a wrong field', options: { model: sidecarFor('{"heads": -1}') }, code: 1, names: /vit\.json .*"heads" is -1/, remedy: /correct or remove it/ },
  { name: 'heads that do not divide', options: { heads: '3' }, code: 1, names: /3 heads do not divide the width 8/, remedy: /give the number of heads/ },
  { name: 'negative steps', options: { steps: '-5' }, code: 2, names: /--steps <count>' argument '-5' is invalid/, remedy: /whole number from 1/ },
  { name: 'steps in words', options: { steps: 'ten' }, code: 2, names: /argument 'ten'/, remedy: /whole number/ },
  { name: 'a rate of zero', options: { lr: '0' }, code: 2, names: /--lr/, remedy: /above 0/ },
  { name: 'an unknown recipe', options: { recipe: 'soup' }, code: 2, names: /'soup' is invalid/, remedy: /Allowed choices are splice, splice-transfer/ },
  { name: 'a ViT input below two patches', options: { 'vit-size': '7' }, code: 2, names: /--vit-size 7 is below 8/, remedy: /give 8 or more/ },
  { name: 'an unknown option', options: { sise: '7' }, code: 2, names: /unknown option '--sise'/, remedy: /--help/ },
];

for (const { name, options, code, names, remedy } of cases) {
  test(`bad input: ${name}`, async () => {
    const parent = temporaryFolder();
    const all = { structure: photo, appearance: photo, model: good, out: join(parent, 'a/b'), ...options };
    const { code: exit, stdout, stderr } = await splice(['transfer', ...Object.entries(all).flatMap(([key, value]) => [`--${key}`, value])]);
    assert.match(stderr, /^splice-gpu: [^\n]+\n$/);
    assert.match(stderr, names);
    assert.match(stderr, remedy);
    assert.equal([exit, stdout], [code, '']);
    assert.equal(readdirSync(parent), [], 'nothing is left behind');
  });
}

test('bad input: a missing option is named, no command shows the help', async () => {
  const { code, stderr } = await splice(['transfer', '--structure', photo]);
  assert.is(code, 2);
  assert.match(stderr, /^splice-gpu: required option '--appearance <file>' not specified .*\n$/);
  const empty = await splice([]);
  assert.is(empty.code, 2);
  assert.match(empty.stderr, /Usage: splice-gpu/);
});

test('bad input: --resume with what it takes from the run, and of a folder without one', async () => {
  const folder = temporaryFolder();
  const both = await splice(['transfer', '--resume', folder, '--seed', '3']);
  assert.equal([both.code, both.stderr], [2, `splice-gpu: --seed cannot go with --resume, which takes it from ${folder}: leave it out (--help lists the options)\n`]);
  const none = await splice(['transfer', '--resume', folder, '--steps', '9', '--json']);
  assert.equal([none.code, none.stdout], [1, '']);
  assert.match(none.stderr, /^splice-gpu: .* holds no run to go on with \(there is no .*config\.json\): check the path, or start a run there with --out\n$/);
  assert.equal(readdirSync(folder), []);
});

test('an earlier run in DIR is refused', async () => {
  const out = temporaryFolder();
  mkdirSync(join(out, 'previews'));
  writeFileSync(join(out, 'result.png'), 'precious');
  const { code, stderr } = await splice(['transfer', '--structure', photo, '--appearance', photo, '--model', good, '--out', out]);
  assert.is(code, 2);
  assert.match(stderr, /holds an earlier run .*--force/);
  assert.ok(existsSync(join(out, 'result.png')));
});

test('DEBUG adds the stack', async () => {
  const { stderr } = await splice(['transfer', '--structure', '/nowhere', '--appearance', photo, '--out', temporaryFolder()], { DEBUG: '1' });
  assert.match(stderr, /\n\s+at /);
});

test('help has an example, version is the package version', async () => {
  for (const command of ['transfer', 'doctor', 'models']) {
    const { code, stdout } = await splice([command, '--help']);
    assert.is(code, 0);
    assert.match(stdout, new RegExp(`Example:\\n  \\$ splice-gpu ${command}`));
  }
  assert.match((await splice(['--version'])).stdout, /^\d+\.\d+\.\d+\n$/);
});

test.run();
