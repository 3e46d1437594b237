/** `share`: what the page holds, what it may do, and what it does not tell. */
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { parseSafetensors } from '../../model/files/safetensors.js';
import type { SharedPair } from '../../cli/share/page/data.js';
import { sha256 } from '../../cli/shared/files.js';
import { writeInputs } from '../faults/runs.js';
import { runCli, temporaryFolder } from '../helpers/pictures.js';

const folder = temporaryFolder();
const at = (name: string): string => join(folder, name);
const run = await runCli([...(await writeInputs('transfer', folder)), '--steps', '4', '--detail', '0', '--out', at('run')]);
const out = at('pair.html');

test('the page holds the pair, its figures and hashes, and its generator as float16', async () => {
  assert.is(run.code, 0, run.stderr);
  const { code, stdout, stderr } = await runCli(['share', at('run'), '--out', out, '--json']);
  assert.is(code, 0, stderr);
  const page = readFileSync(out, 'utf8');
  assert.equal(JSON.parse(stdout), { out, bytes: Buffer.byteLength(page) });
  const pair = JSON.parse(/id="data">(.*)<\/script>/.exec(page)![1]!) as SharedPair;
  assert.equal([pair.title, pair.steps, pair.side, pair.recipe], ['structure as appearance', 4, 40, 'splice']);
  assert.equal(pair.previews.map(({ step }) => step), [2, 4]);
  assert.is(pair.hashes['structure photo'], sha256(readFileSync(at('structure.png'))));
  assert.is(pair.hashes['result'], sha256(readFileSync(at('run/result.png'))));
  const exact = parseSafetensors(readFileSync(at('run/generator.safetensors'))).tensors;
  const half = parseSafetensors(Buffer.from(pair.generator, 'base64')).tensors;
  for (const [name, { data }] of half) {
    const worst = data.reduce((most, value, i) => Math.max(most, Math.abs(value - exact.get(name)!.data[i]!)), 0);
    assert.ok(worst <= 1e-3 * data.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-3), `${name}: ${worst}`);
  }
});

test('it names no file of this machine, loads nothing, and runs only its own script', () => {
  const page = readFileSync(out, 'utf8');
  assert.not.match(page, new RegExp(folder.replaceAll('/', '\\/')));
  assert.not.match(page, /(?:src|href)="(?!data:)[^"]/);
  const policy = /content-security-policy" content="([^"]*)"/.exec(page)![1]!;
  assert.match(policy, /^default-src 'none'; img-src data: blob:; script-src 'sha256-[^']+'; style-src 'sha256-[^']+';/);
  for (const [tag, source] of [['script type="module"', 'script-src'], ['style', 'style-src']] as const) {
    const text = new RegExp(`<${tag}>([^]*?)</${tag.split(' ')[0]}>`).exec(page)![1]!;
    assert.ok(policy.includes(`${source} 'sha256-${createHash('sha256').update(text).digest('base64')}'`), source);
  }
});

test('a page that exists, a folder without a run, and a photo that went away are one line', async () => {
  const refused = async (...args: string[]): Promise<string> => {
    const { code, stderr } = await runCli(['share', ...args]);
    assert.is.not(code, 0);
    return stderr.trim();
  };
  assert.match(await refused(at('run'), '--out', out), /pair\.html exists already: choose another --out, or --force/);
  assert.match(await refused(at('none'), '--out', at('b.html')), /none holds no run/);
  renameSync(at('structure.png'), at('moved.png'));
  assert.match(await refused(at('run'), '--out', at('b.html')), /the structure photo of .* is not where config\.json says/);
  renameSync(at('moved.png'), at('structure.png'));
  rmSync(at('run/generator.safetensors'));
  assert.match(await refused(at('run'), '--out', at('b.html')), /generator\.safetensors/);
  assert.not(existsSync(at('b.html')));
});

test.run();
