/**
 * Prepares a bare clone and then runs a job: `node cli/setup.mjs demo|test|bench|faults|everywhere [arguments]`.
 * Plain JavaScript with only Node's own modules, because it runs before anything is installed. A step that is already done is
 * skipped, so the same command serves the first run and all later ones.
 */
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureDriver } from './setup/driver.mjs';
import { SetupError, exitCodeOf, run, say } from './setup/process.mjs';

const root = fileURLToPath(new URL('../', import.meta.url));
const OLDEST_NODE = [20, 9];
/** Bundles the scripts of pages, after tsc. */
const BUNDLE = 'cli/bundle.mjs';
const SOURCE_FOLDERS = ['engine', 'shaders', 'model', 'cli', 'test'];

/** What Node runs for each job. */
const jobs = {
  demo: ['dist/cli/bin.js', 'demo'],
  bench: ['dist/cli/bin.js', 'bench'],
  faults: ['dist/test/faults/main.js'],
  test: ['dist/test/main.js'],
  everywhere: ['dist/test/everywhere/main.js'],
};

/** @throws SetupError for a Node that is too old */
export function checkNode(version = process.versions.node) {
  const [major, minor] = version.split('.').map(Number);
  const fits = major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1]);
  if (!fits) throw new SetupError(`Node ${OLDEST_NODE.join('.')} or later is needed, this is ${version}: install a newer one`);
}

/** Time of last change in milliseconds; 0 when the file does not exist. */
const changed = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;

/** npm writes the file in node_modules last, so it is as old as the installation. */
export const isInstalled = (folder) =>
  changed(join(folder, 'node_modules/.package-lock.json')) >= changed(join(folder, 'package-lock.json'));

async function install() {
  if (isInstalled(root)) return;
  say('Installing the packages (npm ci) ...');
  const npm = process.env.npm_execpath;
  const args = ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'];
  // `npm run` gives the path of npm's own script. Without it, Windows finds npm.cmd only through a shell.
  const { code } = npm
    ? await run(process.execPath, [npm, ...args], { cwd: root })
    : await run('npm', args, { cwd: root, shell: process.platform === 'win32' });
  if (code !== 0) throw new SetupError('npm ci failed, see above');
}

/** Paths from `base` of the files with an ending in a folder and its subfolders. */
function filesEnding(base, folder, ending) {
  const path = join(base, folder);
  const names = existsSync(path) ? readdirSync(path, { recursive: true }) : [];
  return names.filter((name) => name.endsWith(ending)).map((name) => join(folder, name));
}

/** Whether dist has the newest form of every source, and nothing of deleted sources. The published package has dist only. */
export function isBuilt(folder) {
  const dist = join(folder, 'dist');
  const sources = SOURCE_FOLDERS.flatMap((name) => filesEnding(folder, name, '.ts')).filter((name) => !name.endsWith('.d.ts'));
  const outputs = new Set(SOURCE_FOLDERS.flatMap((name) => filesEnding(dist, name, '.js')));
  const settings = Math.max(changed(join(folder, 'tsconfig.json')), changed(join(folder, 'package-lock.json')));
  const fresh = (source) => {
    const output = source.replace(/\.ts$/, '.js');
    return outputs.has(output) && changed(join(dist, output)) >= Math.max(settings, changed(join(folder, source)));
  };
  if (sources.length === 0) return outputs.size > 0;
  return sources.length === outputs.size && sources.every(fresh) && isBundled(folder, sources);
}

/** Whether the scripts of the pages are newer than all sources; nothing to bundle is as good. */
function isBundled(folder, sources) {
  if (!existsSync(join(folder, BUNDLE))) return true;
  const newest = Math.max(...[...sources, BUNDLE].map((name) => changed(join(folder, name))));
  const bundles = filesEnding(join(folder, 'dist'), 'pages', '.js');
  return bundles.length > 0 && bundles.every((name) => changed(join(folder, 'dist', name)) >= newest);
}

async function build() {
  if (isBuilt(root)) return;
  say('Building (tsc) ...');
  rmSync(join(root, 'dist'), { recursive: true, force: true });
  // Without output after an error, the next run builds again instead of using a broken dist.
  const { code } = await run(process.execPath, ['node_modules/typescript/bin/tsc', '--noEmitOnError'], { cwd: root });
  const bundled = code === 0 ? await run(process.execPath, [BUNDLE], { cwd: root }) : { code };
  if (bundled.code !== 0) throw new SetupError('the build failed, see above');
}

async function main([name, ...args]) {
  const names = Object.keys(jobs);
  if (!names.includes(name)) throw new SetupError(`usage: node cli/setup.mjs ${names.join('|')} [arguments]`);
  checkNode();
  await install();
  await build();
  const driver = await ensureDriver(root);
  return exitCodeOf(await run(process.execPath, [...jobs[name], ...args], { cwd: root, env: { ...process.env, ...driver } }));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.exitCode = await main(process.argv.slice(2)).catch((error) => {
    if (!(error instanceof SetupError)) throw error;
    console.error(error.message);
    return 1;
  });
}
