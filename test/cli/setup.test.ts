/** Set-up: its checks before it acts. The actions themselves need a bare machine and are not tested here. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { spawnSync } from 'node:child_process';
import { pathToFileURL } from 'node:url';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { driverFolder } from '../../cli/gpu/mesa.js';
import { packageRoot } from '../../cli/shared/files.js';

/** Plain JavaScript outside of dist, so it has no types. */
const load = (name: string): Promise<any> => import(pathToFileURL(join(packageRoot, 'cli', name)).href);
const setup = await load('setup.mjs');
const apt = await load('setup/apt.mjs');
const driver = await load('setup/driver.mjs');

/** Calls `use` with a folder of these files, each with its age in seconds. */
function withFiles(ages: Readonly<Record<string, number>>, use: (folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), 'splice-setup-'));
  try {
    for (const [name, age] of Object.entries(ages)) {
      mkdirSync(dirname(join(folder, name)), { recursive: true });
      writeFileSync(join(folder, name), '{}');
      utimesSync(join(folder, name), Date.now() / 1000 - age, Date.now() / 1000 - age);
    }
    use(folder);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

test('setup: refuses a Node that is too old', () => {
  const refusal = /Node 20\.9 or later is needed, this is/;
  for (const version of ['18.19.0', '20.8.1']) assert.throws(() => setup.checkNode(version), refusal);
  for (const version of ['20.9.0', '22.0.0']) setup.checkNode(version);
});

test('setup: packages are installed again when the lock file is newer', () => {
  const [lock, installed] = ['package-lock.json', 'node_modules/.package-lock.json'];
  withFiles({ [lock]: 10 }, (folder) => assert.not(setup.isInstalled(folder)));
  withFiles({ [lock]: 10, [installed]: 20 }, (folder) => assert.not(setup.isInstalled(folder)));
  withFiles({ [lock]: 20, [installed]: 10 }, (folder) => assert.ok(setup.isInstalled(folder)));
});

test('setup: builds when a source is newer, new or gone', () => {
  const built = { 'tsconfig.json': 30, 'engine/a.ts': 20, 'engine/a.d.ts': 1, 'dist/engine/a.js': 10, 'dist/engine/a.d.ts': 10 };
  withFiles(built, (folder) => assert.ok(setup.isBuilt(folder)));
  withFiles({ ...built, 'engine/a.ts': 5 }, (folder) => assert.not(setup.isBuilt(folder)));
  withFiles({ ...built, 'tsconfig.json': 5 }, (folder) => assert.not(setup.isBuilt(folder)));
  withFiles({ ...built, 'cli/deep/b.ts': 20 }, (folder) => assert.not(setup.isBuilt(folder)));
  withFiles({ ...built, 'dist/test/gone.js': 10 }, (folder) => assert.not(setup.isBuilt(folder)));
  // Pages are bundled after that.
  const bundled = { ...built, 'cli/bundle.mjs': 20, 'dist/pages/watch.js': 5 };
  withFiles(bundled, (folder) => assert.ok(setup.isBuilt(folder)));
  withFiles({ ...bundled, 'dist/pages/watch.js': 30 }, (folder) => assert.not(setup.isBuilt(folder)));
  withFiles({ ...built, 'cli/bundle.mjs': 20 }, (folder) => assert.not(setup.isBuilt(folder)));
  // The published package has no sources.
  withFiles({ 'dist/cli/bin.js': 1, 'package-lock.json': 5 }, (folder) => assert.ok(setup.isBuilt(folder)));
  withFiles({ 'cli/setup.mjs': 1 }, (folder) => assert.not(setup.isBuilt(folder)));
});

test('setup: an unknown job is one line and exit code 1', () => {
  const args = [join(packageRoot, 'cli/setup.mjs'), 'toString'];
  const { status, stdout, stderr } = spawnSync(process.execPath, args, { encoding: 'utf8' });
  assert.equal([status, stdout, stderr], [1, '', 'usage: node cli/setup.mjs demo|bench|faults|test|everywhere [arguments]\n']);
});

const ONE_LINE = `deb [arch=amd64 signed-by=/keys/a.gpg] mirror://near/debian bookworm main contrib # comment
deb mirror://other/ bookworm-updates main
`;
const PARAGRAPHS = `Types: deb
# a comment
URIs: mirror://near/debian
Suites: bookworm bookworm-updates
Components: main
Signed-By: /keys/a.gpg

Types: deb
URIs: mirror://near/security
Suites: bookworm-security
Components: main
`;
const BACKPORTS = `Types: deb
URIs: mirror://near/debian
Suites: bookworm-backports
Components: main
Signed-By: /keys/a.gpg
`;

test('setup: backports come from the mirror that apt already uses', () => {
  assert.is(apt.backportsSource([{ name: 'sources.list', text: ONE_LINE }], 'bookworm'), BACKPORTS);
  assert.is(apt.backportsSource([{ name: 'debian.sources', text: PARAGRAPHS }], 'bookworm'), BACKPORTS);
  const unsigned = [{ name: 'sources.list', text: 'deb mirror://near/debian bookworm main\n' }];
  assert.is(apt.backportsSource(unsigned, 'bookworm'), BACKPORTS.replace(/Signed-By.*\n/, ''));
});

test('setup: sources that are switched off, of another suite or without main do not count', () => {
  const none = [
    { name: 'a.sources', text: PARAGRAPHS.replaceAll('Types: deb\n', 'Types: deb\nEnabled: no\n') },
    { name: 'b.sources', text: PARAGRAPHS.replaceAll('Types: deb\n', 'Types: deb-src\n') },
    { name: 'sources.list', text: `# ${ONE_LINE.split('\n')[0]}\ndeb mirror://x/ bookworm contrib\n` },
    { name: 'other.list', text: 'deb mirror://x/ trixie main\n' },
  ];
  assert.is(apt.backportsSource(none, 'bookworm'), undefined);
});

test('setup: an unpacked driver is described with absolute paths', () => {
  const [lib, icd] = ['usr/lib/x86_64-linux-gnu/libvulkan_lvp.so', 'usr/share/vulkan/icd.d/lvp_icd.json'];
  withFiles({ [`root/${lib}`]: 0 }, (folder) =>
    assert.throws(() => apt.describeDriver(join(folder, 'root')), /no software driver/));
  withFiles({ [`root/${lib}`]: 0, [`root/${icd}`]: 0 }, (folder) => {
    const root = join(folder, 'root');
    writeFileSync(join(root, icd), JSON.stringify({ ICD: { api_version: '1.4', library_path: 'libvulkan_lvp.so' } }));
    assert.equal(apt.describeDriver(root), {
      VK_DRIVER_FILES: join(folder, 'lvp_icd.json'),
      LD_LIBRARY_PATH: `${root}/usr/lib/x86_64-linux-gnu:${root}/lib/x86_64-linux-gnu`,
    });
    const { ICD } = JSON.parse(readFileSync(join(folder, 'lvp_icd.json'), 'utf8'));
    assert.equal(ICD, { api_version: '1.4', library_path: join(root, lib) });
  });
});

test('setup: advice names the system’s own packages', () => {
  const release = driver.parseOsRelease('NAME="Some Linux"\nID=some\nID_LIKE="rhel fedora"\n');
  assert.equal(release, { NAME: 'Some Linux', ID: 'some', ID_LIKE: 'rhel fedora' });
  assert.match(driver.advice('linux', release), /dnf install/);
  assert.match(driver.advice('linux', { ID: 'arch' }), /pacman/);
  assert.match(driver.advice('linux', { ID: 'unheard-of' }), /lavapipe/);
  assert.match(driver.advice('darwin', {}), /Metal/);
  assert.match(driver.advice('win32', {}), /Direct3D 12/);
});

test('setup: its folder is that of the user and of the command line', () => {
  assert.is(driver.cacheFolder({ SPLICE_GPU_CACHE: '/a', XDG_CACHE_HOME: '/b' }), join('/a', 'splice-gpu'));
  assert.is(driver.cacheFolder({ XDG_CACHE_HOME: '/b' }), join('/b', 'splice-gpu'));
  assert.is(join(driver.cacheFolder(), 'driver'), driverFolder());
});

test.run();
