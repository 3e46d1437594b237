/** Bad input by command lines: one line that names the thing and the remedy, an exit code, nothing left behind. */
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import sharp from 'sharp';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { serializeSafetensors } from '../../model/files/safetensors.js';
import { rawPng, redBlue, runCli, splice, temporaryFile, temporaryFolder } from '../helpers/pictures.js';
import { tinyWeights } from '../helpers/tinyVit.js';

const photo = temporaryFile('photo.png', await redBlue(60, 40).png().toBuffer());
const weights = (change: (map: ReturnType<typeof tinyWeights>) => void = () => undefined) => {
  const map = tinyWeights();
  change(map);
  return temporaryFile('vit.safetensors', serializeSafetensors(map));
};
const good = weights();

const sidecarFor = (text: string): string => {
  const path = weights();
  writeFileSync(path.replace('.safetensors', '.json'), text);
  return path;
};

const teal = await sharp({ create: { width: 60, height: 40, channels: 3, background: 'teal' } }).png().toBuffer();
const [blank, list, empty] = [['blank.png', teal], ['list.png', 'milk'], ['void.png', '']].map(([name, bytes]) =>
  temporaryFile(name as string, bytes!)) as [string, string, string];
const dot = temporaryFile('dot.png', await redBlue(1, 1).png().toBuffer());
const huge = temporaryFile('huge.png', rawPng({ width: 20000, height: 20000, bitDepth: 8, colorType: 2, rows: [] }));
const blocked = temporaryFile('file', 'in the way');
const misshapen = weights((map) => map.set('cls_token', { shape: [8], data: new Float32Array(8) }));

interface Case {
  readonly name: string;
  /** In place of those of a good command line. */
  readonly options: Readonly<Record<string, string>>;
  readonly code: 1 | 2;
  /** What the line must name. */
  readonly names: RegExp;
  readonly remedy: RegExp;
}

const caseOf = (code: 1 | 2) => (name: string, options: Case['options'], names: RegExp, remedy: RegExp): Case =>
  ({ name, options, code, names, remedy });
const [input, usage] = [caseOf(1), caseOf(2)];

const cases: readonly Case[] = [
  input('missing file', { structure: '/nowhere/cow.jpg' }, /\/nowhere\/cow\.jpg does not exist/, /check the path/),
  input('a blank photo', { appearance: blank }, /blank\.png is a single colour all over/, /use another photo/),
  input('text named .png', { appearance: list }, /list\.png is not a photo but text/, /save it as PNG, JPEG/),
  input('0-byte file', { structure: empty }, /void\.png is empty \(0 bytes\)/, /export it again/),
  input('1x1 image', { structure: dot }, /dot\.png is 1 x 1 pixels/, /use one of at least 16 x 16/),
  input('1x1 image made larger', { structure: dot, size: '128' }, /dot\.png is 1 x 1 pixels/, /use one of at least/),
  input('too small for the generator', { size: '20' }, /photo\.png is 60 x 40 pixels, used at 30 x 20/, /--size 35 or above/),
  input('20000x20000 image', { structure: huge }, /huge\.png is 20000 x 20000 pixels/, /make it smaller/),
  input('DIR below a file', { out: join(blocked, 'out') }, /output folder .*file.out is a file, or lies below one/,
    /choose another path/),
  input('DIR is a file', { out: blocked }, /output folder .*file is a file/, /choose another path/),
  input('DIR that is not writable', { out: '/proc/splice-gpu-out' }, /output folder \/proc\/splice-gpu-out/,
    /choose another path|check the path/),
  usage('unknown model', { model: 'dino_vits99' }, /unknown model "dino_vits99"/,
    /known are vit_mini8, dino_mini8, untrained, dino_vits8, .*; or give the path/),
  input('missing weight file', { model: 'none.safetensors' }, /none\.safetensors does not exist/, /check the path/),
  input('a tensor missing', { model: weights((map) => map.delete('blocks.1.norm2.weight')) },
    /vit\.safetensors: a tensor is missing: blocks\.1\.norm2\.weight/, /save the whole ViT, all of its state_dict\(\)/),
  input('a tensor misshapen', { model: misshapen }, /cls_token is \[8\], expected \[1, 1, 8\]/, /use another ViT/),
  input('NaN weights', { model: weights((map) => map.get('pos_embed')!.data.fill(NaN)) },
    /not finite \(NaN or infinity\) in pos_embed/, /from before its training diverged/),
  input('weights that are not safetensors', { model: temporaryFile('a.safetensors', 'just some text, long enough') },
    /a\.safetensors: not a safetensors file/, /get the file again/),
  input('a damaged PyTorch checkpoint', { model: temporaryFile('a.pth', 'PK\x03\x04 and so on') },
    /a\.pth: the zip archive has no end: it is cut short/, /get the file again/),
  input('a sidecar that is not JSON', { model: sidecarFor('{') }, /vit\.json does not describe a ViT \(it is not JSON\)/,
    /correct or remove it/),
  input('a sidecar with a wrong field', { model: sidecarFor('{"heads": -1}') }, /vit\.json .*"heads" is -1/,
    /correct or remove it/),
  input('heads that do not divide', { heads: '3' }, /3 heads do not divide the width 8/, /give the number of heads/),
  usage('negative steps', { steps: '-5' }, /--steps <count>' argument '-5' is invalid/, /whole number from 1/),
  usage('steps in words', { steps: 'ten' }, /argument 'ten'/, /whole number/),
  usage('a rate of zero', { lr: '0' }, /--lr/, /above 0/),
  usage('an unknown recipe', { recipe: 'soup' }, /'soup' is invalid/, /Allowed choices are splice, splice-transfer/),
  usage('a ViT input below two patches', { 'vit-size': '7' }, /--vit-size 7 is below 8/, /give 8 or more/),
  usage('a layer that the ViT lacks', { 'key-layers': '0,9' }, /--key-layers 9: .* has the layers 0 to \d/, /choose among these/),
  usage('an unknown option', { sise: '7' }, /unknown option '--sise'/, /--help/),
];

for (const { name, options, code, names, remedy } of cases) {
  test(`bad input: ${name}`, async () => {
    const parent = temporaryFolder();
    const all = { structure: photo, appearance: photo, model: good, out: join(parent, 'a/b'), ...options };
    const args = Object.entries(all).flatMap(([key, value]) => [`--${key}`, value]);
    const { code: exit, stdout, stderr } = await runCli(['transfer', ...args]);
    assert.match(stderr, /^splice-gpu: [^\n]+\n$/);
    assert.match(stderr, names);
    assert.match(stderr, remedy);
    assert.equal([exit, stdout], [code, '']);
    assert.equal(readdirSync(parent), [], 'nothing is left behind');
  });
}

test('the executable prints the same line, and the stack with DEBUG', async () => {
  const args = ['transfer', '--structure', '/nowhere', '--appearance', photo, '--out', temporaryFolder()];
  const [real, called, debug] = [await splice(args), await runCli(args), await splice(args, { DEBUG: '1' })];
  assert.equal(real, called);
  assert.equal([real.code, real.stdout], [1, '']);
  assert.match(debug.stderr, /\n\s+at /);
});

test('a missing option is named, no command shows the help', async () => {
  const { code, stderr } = await runCli(['transfer', '--structure', photo]);
  assert.is(code, 2);
  assert.match(stderr, /^splice-gpu: required option '--appearance <file>' not specified .*\n$/);
  const none = await splice([]);
  assert.is(none.code, 2);
  assert.match(none.stderr, /Usage: splice-gpu/);
});

test('--resume with an option that the run decides, and of a folder without a run', async () => {
  const folder = temporaryFolder();
  const both = await runCli(['transfer', '--resume', folder, '--seed', '3']);
  const refusal = `--seed cannot be given with --resume, which takes it from ${folder}: leave it out`;
  assert.equal([both.code, both.stderr], [2, `splice-gpu: ${refusal} (--help lists the options)\n`]);
  const none = await runCli(['transfer', '--resume', folder, '--steps', '9', '--json']);
  assert.equal([none.code, none.stdout], [1, '']);
  assert.match(none.stderr, /^splice-gpu: .* holds no run \(there is no .*config\.json\): give the --out folder of a run\n$/);
  assert.equal(readdirSync(folder), []);
});

test('an earlier run in DIR is refused', async () => {
  const out = temporaryFolder();
  mkdirSync(join(out, 'previews'));
  writeFileSync(join(out, 'result.png'), 'precious');
  const { code, stderr } = await runCli(['transfer', '--structure', photo, '--appearance', photo, '--model', good, '--out', out]);
  assert.is(code, 2);
  assert.match(stderr, /holds an earlier run .*--force/);
  assert.ok(existsSync(join(out, 'result.png')));
});

test('help has an example, version is the package version', async () => {
  for (const command of ['transfer', 'doctor', 'models']) {
    const { code, stdout } = await runCli([command, '--help']);
    assert.is(code, 0);
    assert.match(stdout, new RegExp(`Example:\\n  \\$ splice-gpu ${command}`));
  }
  assert.match((await splice(['--version'])).stdout, /^\d+\.\d+\.\d+\n$/);
});

test.run();
