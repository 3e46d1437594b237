/** A short form of `npm run faults`: a kill, calls that fail, and some hundred damaged files. */
import { spawnSync } from 'node:child_process';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { temporaryFolder } from '../helpers/pictures.js';
import { downloadFaults } from './downloads.js';
import { fuzz } from './fuzz.js';
import { injectFaults } from './inject.js';
import { killRuns } from './kill.js';
import { place, readers } from './readers.js';

const FILES = 120;

for (const [name, reader] of Object.entries(readers)) {
  test(`${name}: whole files are read, and ${FILES} damaged ones are survived`, async () => {
    for (const seed of await reader.seeds()) await reader.read(place(temporaryFolder(), reader, seed));
    const { files, refused, failures } = await fuzz(name, FILES);
    assert.equal(failures, []);
    assert.is(files, FILES);
    assert.ok(refused > FILES / 5, `only ${refused} were refused`);
  });
}

test('a download that is cut twice resumes where it was, and says how far it is', async () => {
  const { requests, failures } = await downloadFaults(9_000_001, 2);
  assert.equal([requests, failures], [3, []]);
});

test('a run killed with SIGKILL and resumed ends like an undisturbed one', async () => {
  const { kills, equal, failures } = await killRuns('transfer', 1, 2, () => undefined);
  assert.equal(failures, []);
  assert.equal([kills, equal], [1, 1]);
});

const linux = process.platform === 'linux' && spawnSync('cc', ['--version']).status === 0;
if (!linux) console.log('skipped: calls of the system that fail need Linux and a C compiler (cc)');

(linux ? test : test.skip)('calls of the system that fail, or are the last ones, cost no byte', async () => {
  const lines: string[] = [];
  const choice = { places: ['middle'], calls: ['open', 'rename', 'unlink'], most: Infinity } as const;
  const { faults, failures } = await injectFaults('pretrain', choice, (line) => lines.push(line));
  assert.equal([faults, failures], [4, []], lines.join('\n'));
});

test.run();
