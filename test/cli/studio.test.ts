/** The studio's files: exported for any web host, and served on this machine. */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import type { OfferedModel } from '../../cli/studio/page/messages.js';
import { studio } from '../../cli/studio/studio.js';
import { splice, temporaryFolder } from '../helpers/pictures.js';

test('studio --export: a folder that needs nothing but itself', async () => {
  const folder = join(temporaryFolder(), 'studio');
  const { code, stdout, stderr } = await splice(['studio', '--export', folder, '--models', 'untrained', '--json']);
  assert.is(code, 0, stderr);
  const { files } = JSON.parse(stdout) as { files: string[] };
  assert.equal(readdirSync(folder).sort(), [...files].sort());
  const page = readFileSync(join(folder, 'index.html'), 'utf8');
  const named = [...page.matchAll(/(?:href|src)="([^"]+)"/g)].map(([, name]) => name!);
  for (const name of [...named, 'worker.js', 'models.json']) assert.ok(files.includes(name), name);
  assert.not.match(page, /https?:|style=|onclick/, 'nothing from other servers, nothing inline');
  assert.match(page, /connect-src 'self'/, 'and nothing goes there');
  for (const name of ['studio.js', 'worker.js']) {
    assert.not.match(readFileSync(join(folder, name), 'utf8'), /\bfrom *["'][.a-z]|\bimport\(/, `${name} is whole`);
  }
  const models = JSON.parse(readFileSync(join(folder, 'models.json'), 'utf8')) as OfferedModel[];
  assert.equal(models.map(({ name }) => name), ['vit_mini8', 'untrained']);
  for (const { file, sha256, bytes } of models) {
    const content = readFileSync(join(folder, file));
    assert.equal([content.length, createHash('sha256').update(content).digest('hex')], [bytes, sha256]);
  }
});

test('studio --export: a folder with another page is left alone, an unknown model refused', async () => {
  const folder = temporaryFolder();
  writeFileSync(join(folder, 'index.html'), 'mine');
  const { code, stderr } = await splice(['studio', '--export', folder]);
  assert.is(code, 2);
  assert.match(stderr, /holds another page: choose another folder\n$/);
  assert.is(readFileSync(join(folder, 'index.html'), 'utf8'), 'mine');
  const unknown = await splice(['studio', '--export', join(folder, 'new'), '--models', 'nonsense']);
  assert.is(unknown.code, 2);
  assert.match(unknown.stderr, /unknown model "nonsense"/);
});

test('studio: serves these files and nothing else', async () => {
  const stop = new AbortController();
  const [texts, output] = [[] as string[], { write: () => true }];
  const stdout = { write: (text: string) => texts.push(text) > 0 };
  const ended = studio({ port: 0, models: [], json: true }, { stdout, stderr: output, interrupt: stop.signal } as never);
  while (texts.length === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  const { url } = JSON.parse(texts[0]!) as { url: string };
  assert.match(url, /^http:\/\/127\.0\.0\.1:\d+\/$/);
  const codes = async (...paths: string[]) => Promise.all(paths.map(async (path) => (await fetch(url + path)).status));
  const names = ['', 'index.html', 'studio.js', 'worker.js', 'models.json', 'vit_mini8.safetensors'];
  assert.equal(await codes(...names), Array(6).fill(200));
  assert.equal(await codes('package.json', '..%2fpackage.json', 'page/main.js', 'toString', '__proto__', 'studio.js/'),
    Array(6).fill(404));
  assert.is((await fetch(url, { method: 'POST' })).status, 405);
  assert.match((await fetch(url)).headers.get('content-security-policy')!, /connect-src 'self'/);
  const port = new URL(url).port;
  const second = await splice(['studio', '--port', port]);
  assert.equal([second.code, second.stderr], [2, `splice-gpu: port ${port} is in use: choose another, or 0 for any free one\n`]);
  stop.abort();
  assert.is(await ended, 0);
});

test.run();
