/** A run as one file: packed, opened and packed again as a browser does, it goes on to the bytes of a run that stayed. */
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { scenePath } from '../../cli/demo/files.js';
import { sha256 } from '../../cli/shared/files.js';
import { openZip, writeZip } from '../../model/files/zip.js';
import { openRun, packRun, type Sha256 } from '../../model/training/runFile.js';
import { splice, temporaryFile, temporaryFolder } from '../helpers/pictures.js';

const hash: Sha256 = async (parts) => sha256(Buffer.concat(parts));
const PHOTOS = ['--structure', scenePath('valley'), '--appearance', scenePath('peaks')];
const TINY = ['--model', 'untrained', '--size', '48', '--vit-size', '32', '--warm-start', '2', '--detail', '0', '--steps', '12'];

const done = async (...args: readonly string[]): Promise<string> => {
  const { code, stdout, stderr } = await splice(args);
  assert.is(code, 0, stderr);
  return stdout;
};

test('a run that moves gives the bytes of one that does not', async () => {
  const folder = temporaryFolder();
  const [stays, moves] = [join(folder, 'stays'), join(folder, 'moves')];
  await done('transfer', ...PHOTOS, '--out', stays, ...TINY);
  cpSync(stays, moves, { recursive: true });
  await done('transfer', '--resume', stays, '--steps', '22');

  assert.is(await done('studio', '--pack', moves), `${moves}.zip\n`);
  const run = await openRun(readFileSync(`${moves}.zip`), hash);
  assert.equal([run.pixels!.structure.width, run.pixels!.structure.height], [72, 48]);
  assert.equal(run.log.map(({ step }) => step), [0, 10]);
  const file = join(folder, 'moved.zip');
  writeFileSync(file, await packRun(run, hash));
  assert.ok(readFileSync(file).equals(readFileSync(`${moves}.zip`)), 'the same run is the same file');

  await done('transfer', '--resume', file, '--steps', '22');
  const moved = join(folder, 'moved');
  for (const name of ['result.png', 'generator.safetensors', 'log.jsonl']) {
    assert.ok(readFileSync(join(moved, name)).equals(readFileSync(join(stays, name))), name);
  }
  const again = await splice(['transfer', '--resume', file]);
  assert.is(again.code, 1);
  assert.match(again.stderr, /would be unpacked to .*moved, which exists: resume that, or move the file\n$/);
});

test('a file that is no run, or is damaged, or has photos of elsewhere, is refused in a line', async () => {
  const refused = async (bytes: Uint8Array, pattern: RegExp): Promise<void> => {
    const path = temporaryFile('run.zip', bytes);
    const { code, stderr } = await splice(['transfer', '--resume', path]);
    assert.is(code, 1);
    assert.match(stderr, pattern);
    assert.is(stderr.trim().split('\n').length, 1);
    assert.not(existsSync(path.replace('.zip', '')));
  };
  await refused(Buffer.from('nothing'), /holds no run that can be resumed \(the zip archive has no end/);
  await refused(writeZip(new Map([['a', Buffer.from('b')]])), /holds no run that can be resumed \(it is no run\)/);
  const files = (config: object) => new Map([['config.json', Buffer.from(JSON.stringify(config))], ['log.jsonl', Buffer.of()]]);
  const elsewhere = { command: 'transfer', structure: { path: '/etc/passwd' }, appearance: { path: 'photos/../../x.png' } };
  await refused(writeZip(files(elsewhere)), /holds no structure photo of its own: save the run again/);
  const broken = writeZip(files({ command: 'transfer' }));
  broken[60]! ^= 1;
  await refused(broken, /CRC-32 does not match/);
});

test('brushed regions are in the file, and labels that are none are refused', async () => {
  const labels = (...data: number[]) => ({ width: 2, height: 1, data: Uint8Array.from(data) });
  const regions = { count: 3, structure: labels(0, 3), appearances: [labels(1, 2)] };
  const run = { config: { command: 'transfer' }, log: [], photos: new Map<string, Uint8Array>(), regions };
  const opened = await openRun(await packRun(run, hash), hash);
  assert.equal(opened.regions, regions);
  const beyond = await packRun({ ...run, regions: { ...regions, structure: labels(0, 4) } }, hash);
  const message = await openRun(beyond, hash).then(() => '', (error: Error) => error.message);
  assert.is(message, 'regions.safetensors has no regions of structure');
});

test('an archive holds what was put into it', () => {
  const files = new Map([['a.txt', Buffer.from('one')], ['b/c.bin', Buffer.alloc(100_000, 7)], ['empty', Buffer.of()]]);
  const archive = openZip(writeZip(files));
  assert.equal(archive.names, [...files.keys()]);
  for (const [name, bytes] of files) assert.ok(bytes.equals(archive.read(name)), name);
});

test.run();
