/** `models` against a mirror on 127.0.0.1, and every way in which --model finds weights. */
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { cacheFolder } from '../../cli/shared/cache.js';
import { getModel } from '../../cli/models/get.js';
import { fetchable, shipped } from '../../cli/models/known.js';
import { loadVit } from '../../cli/models/load.js';
import { sha256 } from '../../cli/shared/files.js';
import { transfer } from '../../cli/transfer/transfer.js';
import { parseSafetensors, serializeSafetensors } from '../../model/files/safetensors.js';
import { fakeParts, shortRun } from '../helpers/fakeRun.js';
import { serveFile, withoutProxies, type FileServer } from '../helpers/fileServer.js';
import { redBlue, runCli, splice, type Finished, temporaryFile, temporaryFolder } from '../helpers/pictures.js';
import { tinyConfig, tinyWeights } from '../helpers/tinyVit.js';
import { fixture, fixturePath } from '../helpers/torchFiles.js';

withoutProxies();

/** The command in this process, with a cache of its own. */
const inCache = (cache: string, mirror = 'http://127.0.0.1:9') => (...args: string[]): Promise<Finished> =>
  withCache(cache, mirror, () => runCli(args));

async function withServer<T>(file: Buffer, work: (server: FileServer) => Promise<T>): Promise<T> {
  const server = await serveFile(file);
  return work(server).finally(server.close);
}

/** Runs `work` with this process's own cache and mirror. */
async function withCache<T>(cache: string, mirror: string, work: () => Promise<T>): Promise<T> {
  Object.assign(process.env, { SPLICE_GPU_CACHE: cache, SPLICE_GPU_MIRROR: mirror });
  return work().finally(() => {
    delete process.env['SPLICE_GPU_CACHE'];
    delete process.env['SPLICE_GPU_MIRROR'];
  });
}

const dino = fixture('dino.pth');

test('models: get, list, verify, remove; the first file is trusted, another one later is not', async () => {
  const cache = temporaryFolder();
  await withServer(dino, async ({ url, log }) => {
    const run = inCache(cache, url);
    const got = await run('models', 'get', 'dino_vits16');
    assert.is(got.code, 0, got.stderr);
    const fetching = /^fetching dino_vits16 from http.*dino_deitsmall16_pretrain\.pth, about 87 MB, license Apache-2\.0\n/;
    assert.match(got.stderr, fetching);
    const trusted = `no checksum of dino_vits16 is published; this file (SHA-256 ${sha256(dino)}) is trusted and remembered`;
    assert.ok(got.stderr.includes(trusted), got.stderr);
    assert.match(got.stdout, /^dino_vits16: .*dino_vits16\.pth\n$/);
    assert.is((await run('models', 'get', 'dino_vits16')).stderr, '');
    assert.is(log.length, 1);
    const { models } = JSON.parse((await run('models', 'list', '--json')).stdout);
    const listed = models.find(({ name }: { name: string }) => name === 'dino_vits16');
    assert.equal([listed.state, listed.trust, listed.bytes, listed.sha256], ['cached', 'first use', dino.length, sha256(dino)]);
    const lines = /\nuntrained +\d\.\d MB +ships.*\ndino_vits8 +86\.7 MB +not here.*\ndino_vits16 +0\.0 MB +cached \(first use\)/;
    assert.match((await run('models', 'list')).stdout, lines);
    assert.match((await run('models', 'verify')).stdout, /^dino_vits16: unchanged/);
    assert.is((await run('models', 'remove', 'dino_vits16')).code, 0);
    assert.match((await run('models', 'get', 'dino_vits16')).stderr, /it is the file that was fetched first/);
    await run('models', 'remove', 'dino_vits16');
  });
  await withServer(fixture('teacher.legacy.pth'), async ({ url }) => {
    const run = inCache(cache, url);
    const refused = await run('models', 'get', 'dino_vits16');
    assert.is(refused.code, 1);
    assert.match(refused.stderr, /its SHA-256 is .* instead of .*not the one that was fetched first: --trust accepts it/);
    assert.is((await run('models', 'get', 'dino_vits16', '--trust')).code, 0);
    const path = join(cache, 'splice-gpu/models/dino_vits16.pth');
    writeFileSync(path, readFileSync(path).fill(1, 900, 901));
    const bad = await run('models', 'verify', 'dino_vits16');
    assert.is(bad.code, 1);
    assert.match(bad.stdout, /dino_vits16: damaged, its SHA-256 is/);
  });
});

test('models: a wrong checksum, and a file that is not a ViT, are refused', async () => {
  const cache = temporaryFolder();
  const left = () => readdirSync(join(cache, 'splice-gpu/models'));
  await withServer(dino, async ({ url }) => {
    const { code, stderr } = await inCache(cache)('models', 'get', 'dino_vits8', '--mirror', url);
    assert.is(code, 1);
    assert.match(stderr, /is not the expected file: it has \d+ bytes instead of 86728949/);
    assert.equal(left(), []);
  });
  await withServer(Buffer.from('<!doctype html><title>Log in to the network</title>'), async ({ url }) => {
    const { code, stderr } = await inCache(cache, url)('models', 'get', 'dino_vitb8');
    assert.is(code, 1);
    assert.match(stderr, /the file from .* cannot be used: .*a web page, not weights.*; it was removed/);
    assert.equal(left(), []);
  });
});

test('models: add keeps a file and its settings under a new name', async () => {
  const cache = temporaryFolder();
  const run = inCache(cache);
  const path = temporaryFile('mine.safetensors', serializeSafetensors(tinyWeights()));
  writeFileSync(path.replace('.safetensors', '.json'), '{"heads": 2, "mean": [0.5, 0.5, 0.5]}');
  assert.is((await run('models', 'add', path, '--name', 'mine')).code, 0);
  const several = await inCache(temporaryFolder())('models', 'add', fixturePath('teacher.legacy.pth'), '--name', 'several');
  assert.match(several.stderr, /^note: .*several ViTs: "teacher\.backbone\." is used, not "student\.module\.backbone\."\n$/);
  const { vit } = await withCache(cache, '', () => loadVit('mine'));
  assert.equal([vit.name, vit.config.heads, vit.config.mean], ['mine', 2, [0.5, 0.5, 0.5]]);
  for (const [args, code, text] of [
    [['add', path, '--name', 'mine'], 2, /the cache has a model mine/],
    [['add', path, '--name', 'dino_vits8'], 2, /already the name of a known model/],
    [['add', path, '--name', '../up'], 2, /cannot be a model's name/],
    [['add', '/nowhere.pth', '--name', 'b'], 1, /\/nowhere\.pth does not exist/],
    [['add', temporaryFile('a.pth', 'PK\x03\x04 and so on'), '--name', 'b'], 1, /a\.pth: the zip archive has no end/],
    [['add', path], 2, /--name/],
    [['remove', 'nothing'], 2, /the cache has no model "nothing"/],
    [['verify', 'nothing'], 2, /the cache has no model "nothing"/],
    [['get', 'nothing'], 2, /"nothing" cannot be fetched: dino_vits8, .*models add FILE/],
    [['get', 'dino_vits16', '--mirror', 'ftp://x'], 2, /is not an address/],
  ] as const) {
    const result = await run('models', ...args);
    assert.is(result.code, code, result.stderr);
    assert.match(result.stderr, text);
    assert.match(result.stderr, /^splice-gpu: [^\n]+\n$/);
  }
  assert.equal(readdirSync(join(cache, 'splice-gpu/models')).sort(), ['mine.json', 'mine.safetensors']);
});

test('models: a damaged file in the cache is not used', async () => {
  const cache = temporaryFolder();
  await inCache(cache)('models', 'add', fixturePath('dino.pth'), '--name', 'mine');
  const path = join(cache, 'splice-gpu/models/mine.pth');
  const bytes = readFileSync(path);
  bytes[50] = bytes[50]! ^ 1;
  writeFileSync(path, bytes);
  const error = await withCache(cache, '', () => loadVit('mine')).then(() => undefined, (reason: Error) => reason);
  assert.match(error!.message, /damaged/);
});

test('transfer: a model by name is fetched on first use, with progress, and used', async () => {
  const cache = temporaryFolder();
  const photo = temporaryFile('photo.png', await redBlue(60, 40).png().toBuffer());
  await withServer(dino, ({ url }) => withCache(cache, url, async () => {
    for (const times of [1, 2]) {
      const out = join(temporaryFolder(), 'out');
      const { parts, heard } = fakeParts();
      assert.is(await transfer(shortRun({ structure: photo, appearance: photo, model: 'dino_vits16', out }), parts), 0);
      assert.is(/fetching dino_vits16/.test(heard.stderr), times === 1);
      assert.match(heard.stderr, /model dino_vits16,/);
      const { model } = JSON.parse(readFileSync(join(out, 'config.json'), 'utf8'));
      const path = join(cache, 'splice-gpu/models/dino_vits16.pth');
      assert.equal([model.name, model.sha256, model.path], ['dino_vits16', sha256(dino), path]);
    }
  }));
});

test('auto: dino_vits8 if it is available, else the model that ships and a line that says so', async () => {
  const cache = temporaryFolder();
  let text = '';
  const output = { write: (line: string) => (text += line) };
  const fallen = await withCache(cache, 'http://127.0.0.1:9', () => loadVit('auto', {}, { output }));
  assert.is(fallen.vit.name, 'vit_mini8');
  assert.match(text, /^note: no model was named and dino_vits8 could not be fetched \([^\n]+\): using vit_mini8, which ships\n$/);
  process.env['SPLICE_GPU_OFFLINE'] = '1';
  text = '';
  const offline = await withCache(cache, 'http://127.0.0.1:9', () => loadVit('auto', {}, { output }));
  delete process.env['SPLICE_GPU_OFFLINE'];
  assert.equal([offline.vit.name, text], ['vit_mini8', '']);
  await withServer(dino, ({ url }) => withCache(cache, '', async () => {
    const { sha256: _, bytes: __, ...model } = fetchable.find(({ name }) => name === 'dino_vits8')!;
    await getModel({ ...model, url: `${url}/x.pth` }, { signal: new AbortController().signal, output });
    assert.is((await loadVit('auto', {}, { output })).vit.name, 'dino_vits8');
  }));
});

test('--model: files are recognised by content, several files are read as one', async () => {
  const folder = temporaryFolder();
  const put = (name: string, bytes: Uint8Array | string) => {
    writeFileSync(join(folder, name), bytes);
    return join(folder, name);
  };
  assert.is((await loadVit(put('really-zip.safetensors', dino))).vit.config.dim, 4);
  assert.is((await loadVit(put('really-safetensors.pth', serializeSafetensors(tinyWeights())))).vit.config.dim, tinyConfig.dim);
  let text = '';
  await loadVit(put('two.bin', fixture('teacher.legacy.pth')), {}, { output: { write: (line: string) => (text += line) } });
  assert.match(text, /^note: .*several ViTs: "teacher\.backbone\." is used, not "student\.module\.backbone\."\n$/);

  const all = [...tinyWeights()];
  put('model-1.safetensors', serializeSafetensors(new Map(all.slice(0, 10))));
  put('model-2.safetensors', serializeSafetensors(new Map(all.slice(10))));
  const map = Object.fromEntries(all.map(([name], i) => [name, i < 10 ? 'model-1.safetensors' : 'model-2.safetensors']));
  put('config.json', '{"num_attention_heads": 4, "hidden_act": "quick_gelu"}');
  put('preprocessor_config.json', '{"image_mean": [0.5, 0.5, 0.5], "image_std": [0.25, 0.25, 0.25]}');
  const { vit } = await loadVit(put('model.safetensors.index.json', JSON.stringify({ weight_map: map })));
  const { heads, std, activation } = vit.config;
  assert.equal([vit.name, heads, std, activation], ['model', 4, [0.25, 0.25, 0.25], 'quickGelu']);
  const names = [...parseSafetensors(serializeSafetensors(tinyWeights())).tensors.keys()];
  assert.equal([...vit.weights.keys()], names.filter((name) => !name.startsWith('norm.')));
  const index = JSON.stringify({ weight_map: { ...map, extra: 'model-1.safetensors' } });
  const broken = put('broken.safetensors.index.json', index);
  const wrong = await loadVit(broken).then(() => undefined, (error: Error) => error);
  assert.match(wrong!.message, /model-1\.safetensors has no tensor extra/);
});

test('cache folder: the platform decides, variables take precedence', () => {
  assert.is(cacheFolder({}, 'linux'), join(homedir(), '.cache/splice-gpu'));
  assert.is(cacheFolder({}, 'darwin'), join(homedir(), 'Library/Caches/splice-gpu'));
  assert.is(cacheFolder({ LOCALAPPDATA: '/local' }, 'win32'), '/local/splice-gpu');
  assert.is(cacheFolder({ XDG_CACHE_HOME: '/xdg' }, 'linux'), '/xdg/splice-gpu');
  assert.is(cacheFolder({ XDG_CACHE_HOME: '/xdg', SPLICE_GPU_CACHE: '/own' }, 'darwin'), '/own/splice-gpu');
});

test('models: the real command line', async () => {
  const { code, stdout } = await splice(['models', 'list', '--json'], { SPLICE_GPU_CACHE: temporaryFolder() });
  assert.is(code, 0);
  assert.equal(JSON.parse(stdout).models.map(({ name, state }: { name: string; state: string }) => `${name}: ${state}`),
    [...shipped.map(({ name }) => `${name}: ships`), ...fetchable.map(({ name }) => `${name}: not here`)]);
});

test('models: a folder that cannot be made is named', async () => {
  const blocked = temporaryFile('file', 'in the way');
  await withServer(dino, async ({ url }) => {
    const { code, stderr } = await inCache(blocked, url)('models', 'get', 'dino_vits16');
    assert.is(code, 1);
    assert.match(stderr, /the cache .* is a file, or lies below one.*SPLICE_GPU_CACHE names another/);
  });
});

test.run();
