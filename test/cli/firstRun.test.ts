/** The model that everybody fetches, in its real size, from a server on 127.0.0.1: nothing that goes wrong ends a first run. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { getModel } from '../../cli/models/get.js';
import { findKnown, type KnownModel } from '../../cli/models/known.js';
import { loadVit } from '../../cli/models/load.js';
import { loadVitOf, type LoadedGenerator } from '../../cli/train/generatorFile.js';
import { UsageError } from '../../cli/shared/errors.js';
import { sha256 } from '../../cli/shared/files.js';
import { serveFile, withoutProxies, type Behaviour, type FileServer } from '../helpers/fileServer.js';
import { fullSizeFile } from '../helpers/fullSizeFile.js';
import { runCli, temporaryFolder } from '../helpers/pictures.js';
import { fixture } from '../helpers/torchFiles.js';

withoutProxies();

const NAME = 'dino_vits8';
const known = findKnown(NAME)!;
const nowhere = 'http://127.0.0.1:9';

/** Runs `work` with a cache and a mirror of its own. */
async function inCache<T>(cache: string, mirror: string, work: () => Promise<T>): Promise<T> {
  Object.assign(process.env, { SPLICE_GPU_CACHE: cache, SPLICE_GPU_MIRROR: mirror });
  return work().finally(() => {
    delete process.env['SPLICE_GPU_CACHE'];
    delete process.env['SPLICE_GPU_MIRROR'];
  });
}

/** What `--model` finds, and what it says. */
async function load(cache: string, mirror: string, model = 'auto'): Promise<{ name?: string; text: string; error?: Error }> {
  let text = '';
  const output = { write: (line: string) => (text += line) };
  return inCache(cache, mirror, () => loadVit(model, {}, { output }))
    .then(({ vit }) => ({ name: vit.name, text }), (error: Error) => ({ error, text }));
}

async function withServer<T>(file: Buffer, behaviour: Behaviour, work: (server: FileServer) => Promise<T>): Promise<T> {
  const server = await serveFile(file, behaviour);
  return work(server).finally(server.close);
}

const folderOf = (cache: string): string => join(cache, 'splice-gpu/models');
const sizeOf = (path: string): number => statSync(path, { throwIfNoEntry: false })?.size ?? 0;

test('dino_vits8 in its real size: cut, resumed, refused for its checksum, kept, trusted', async () => {
  const cache = temporaryFolder();
  const part = join(folderOf(cache), `.${NAME}.fetch`, 'dino_deitsmall8_pretrain.pth');
  const file = fullSizeFile(known.bytes!);
  assert.is(file.length, 86_728_949);
  const found = sha256(file);
  const advice = new RegExp(`its SHA-256 is ${found} instead of ${known.sha256}; that one is from a third party, and was never `
    + `compared with the makers' file: --trust accepts it \\(splice-gpu models get ${NAME} --trust\\)`);
  await withServer(file, { cutAfter: 40e6, cuts: 1, seen: () => sizeOf(part) }, async ({ url, log }) => {
    const cut = await load(cache, url);
    assert.is(cut.name, 'vit_mini8', cut.error?.stack);
    assert.match(cut.text, /note: no model was named .* \(the connection was cut[^)]*\): using vit_mini8, which/);
    assert.ok(sizeOf(part) >= 40e6);
    const refused = await load(cache, url);
    assert.is(refused.name, 'vit_mini8', refused.error?.stack);
    assert.match(refused.text.split('\n').at(-2)!, advice);
    assert.match(refused.text, /^fetching dino_vits8 from .*, about 87 MB, license Apache-2\.0\n/);
    assert.match(log.join('\n'), /^GET \S+ 200\nGET \S+ 206 bytes=[4-8]\d{7}-$/);
  });
  const again = await load(cache, nowhere);
  assert.is(again.name, 'vit_mini8');
  assert.match(again.text, advice);
  assert.is(again.text.split('\n').length, 2);
  const named = await load(cache, nowhere, NAME);
  assert.match(named.error!.message, advice);

  const run = (...args: string[]) => inCache(cache, nowhere, () => runCli(args));
  const trusted = await run('models', 'get', NAME, '--trust');
  assert.is(trusted.code, 0, trusted.stderr);
  assert.match(trusted.stderr, /^note: the reported checksum of dino_vits8 is another; this file .* is trusted and .*\n$/);
  const best = await load(cache, nowhere);
  const reminder = `note: ${NAME} has SHA-256 ${found}, not the reported one: it was accepted with --trust\n`;
  assert.equal([best.name, best.text], [NAME, reminder]);
  const { models } = JSON.parse((await run('models', 'list', '--json')).stdout);
  const listed = models.find(({ name }: { name: string }) => name === NAME);
  assert.equal([listed.trust, listed.checksum, listed.bytes], ['trusted', 'accepted with --trust', file.length]);
  assert.equal(readdirSync(folderOf(cache)).sort(), ['.first-seen.json', 'dino_vits8.json', 'dino_vits8.pth']);
});

test('auto: a moved address, a page, a mirror that is no address, a folder in the way cost a line each', async () => {
  const cases: [Buffer, Behaviour, RegExp][] = [
    [Buffer.alloc(0), { status: 404 }, /the server answered 404 Not Found; name a --mirror/],
    [Buffer.alloc(0), { status: 403 }, /the server answered 403 Forbidden/],
    [Buffer.alloc(0), { redirect: 'file:///etc/passwd' }, /less safe: refused/],
    [Buffer.from('<!doctype html><title>Log in</title>'), {}, /cannot be used: .*a web page, not weights.*; it was removed/],
    [fixture('dino.pth'), {}, /it has \d+ bytes instead of 86728949, its SHA-256 is .*--trust accepts it/],
    [Buffer.alloc(200_000_000), {}, /it has 200000000 bytes, more than 174000000/],
  ];
  for (const [file, behaviour, reason] of cases) {
    const { name, text, error } = await withServer(file, behaviour, ({ url }) => load(temporaryFolder(), url));
    assert.is(name, 'vit_mini8', error?.stack);
    assert.match(text.split('\n').at(-2)!, reason);
    assert.match(text, /\): using vit_mini8, which ships\n$/);
  }
  const noAddress = await load(temporaryFolder(), 'ftp://me:secret@host');
  assert.is(noAddress.name, 'vit_mini8');
  assert.match(noAddress.text, /the mirror "ftp:\/\/host" is not an address/);
  const blocked = temporaryFolder();
  mkdirSync(folderOf(blocked), { recursive: true });
  writeFileSync(join(folderOf(blocked), `.${NAME}.fetch`), 'in the way');
  const { name, text } = await load(blocked, nowhere);
  assert.equal([name, text.split('\n').length], ['vit_mini8', 2], text);
});

test('auto: Ctrl-C is not taken for a problem of the network', async () => {
  const controller = new AbortController();
  const output = { write: () => controller.abort() };
  const work = () => loadVit('auto', {}, { output, signal: controller.signal });
  const error = await withServer(Buffer.alloc(50_000), { stallAfter: 1000 }, ({ url }) => inCache(temporaryFolder(), url, work))
    .then(() => undefined, (reason: Error) => reason);
  assert.is(error?.name, 'AbortError');
});

/** Puts a file into the cache as an attacker would. */
function plant(cache: string, name: string, trust: string): void {
  mkdirSync(folderOf(cache), { recursive: true });
  const bytes = fixture('dino.pth');
  const facts = { bytes: bytes.length, sha256: sha256(bytes), from: known.url };
  const record = { name, file: `${name}.pth`, ...facts, trust, stored: 'today' };
  writeFileSync(join(folderOf(cache), record.file), bytes);
  writeFileSync(join(folderOf(cache), `${name}.json`), JSON.stringify(record));
}

test('cache: what a record says of its own trust does not count', async () => {
  const planted = [[NAME, 'published'], [NAME, 'trusted'], [NAME, 'first use'], ['clip_vitb16', 'trusted']] as const;
  for (const [name, trust] of planted) {
    const cache = temporaryFolder();
    plant(cache, name, trust);
    const { error } = await load(cache, nowhere, name);
    assert.match(error!.message, /in the cache: it is not the .* that is known: .* instead of \w{64}; splice-gpu models remove/);
    const { code, stdout } = await inCache(cache, nowhere, () => runCli(['models', 'verify']));
    assert.is(code, 1);
    assert.match(stdout, /damaged, it is not the/);
    const problem = name === NAME ? /^note: .* cannot be used \(/ : /^note: .*could not be fetched/;
    assert.match((await load(cache, nowhere)).text, problem);
  }
  const cache = temporaryFolder();
  plant(cache, 'dino_vitb8', 'first use');
  const seen = { dino_vitb8: { sha256: 'f'.repeat(64), seen: 'before' } };
  writeFileSync(join(folderOf(cache), '.first-seen.json'), JSON.stringify(seen));
  const { error } = await load(cache, nowhere, 'dino_vitb8');
  assert.match(error!.message, /but another came first; splice-gpu models remove/);
});

test('models get: three at once fetch once, and all have the model', async () => {
  const cache = temporaryFolder();
  const file = fixture('dino.pth');
  const model: KnownModel = { ...findKnown('dino_vits16')! };
  await withServer(file, {}, async ({ url, log }) => inCache(cache, url, async () => {
    let text = '';
    const options = { signal: new AbortController().signal, output: { write: (line: string) => (text += line) } };
    const records = await Promise.all([1, 2, 3].map(() => getModel(model, options)));
    assert.equal(records.map((record) => record.sha256), Array(3).fill(sha256(file)));
    assert.is(log.length, 1, text);
  }));
});

test('a name and a password in a mirror are sent to it alone, and never shown or kept', async () => {
  const heard: (string | undefined)[] = [];
  const serve = (answer: (url: string) => string | undefined) => new Promise<{ url: string; close: () => void }>((resolve) => {
    const server = createServer((req, res) => {
      heard.push(req.headers.authorization);
      const target = answer(req.url!);
      if (target) res.writeHead(302, { location: target }).end();
      else res.end(fixture('dino.pth'));
    });
    server.listen(0, '127.0.0.1', () => resolve({
      url: `127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => server.close(),
    }));
  });
  const [other, cache] = [await serve(() => undefined), temporaryFolder()];
  const mirror = await serve((url) => (url.includes('/moved/') ? `http://${other.url}/x.pth` : undefined));
  const get = (path: string, name: string) =>
    inCache(cache, `http://us%20er:p@ss%@${mirror.url}/${path}`, () => runCli(['models', 'get', name]));
  const [direct, moved] = [await get('a', 'dino_vits16'), await get('moved', 'dino_vitb16')];
  mirror.close();
  other.close();
  const sent = `Basic ${Buffer.from('us er:p@ss%').toString('base64')}`;
  assert.equal([direct.code, moved.code, heard], [0, 0, [sent, sent, undefined]], direct.stderr + moved.stderr);
  const refused = await get('a', 'dino_vitb8');
  assert.is(refused.code, 1);
  const kept = readdirSync(folderOf(cache)).filter((file) => file.endsWith('.json'))
    .map((file) => readFileSync(join(folderOf(cache), file), 'utf8'));
  const said = [direct, moved, refused].map(({ stderr, stdout }) => stderr + stdout);
  assert.not.match([...said, ...kept].join(''), /p@ss|us%20er/);
});

test('a name in a generator from a stranger is never taken for a path', async () => {
  for (const name of ['/etc/hostname', '../x.pth', 'x.safetensors', '\\\\host\\share', 'auto', 'package.json', '']) {
    const generator = { path: 'g.safetensors', setup: { model: { name, sha256: '0' } } } as LoadedGenerator;
    const error = await loadVitOf(generator, undefined, {}).then(() => undefined, (reason: Error) => reason);
    assert.instance(error, UsageError, String(error?.stack));
    assert.match(error!.message, /which is unknown here: give its file with --model/);
  }
});

test.run();
