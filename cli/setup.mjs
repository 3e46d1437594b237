/**
 * Makes a bare clone ready and then runs a job: `node cli/setup.mjs demo|test|bench|faults [arguments]`.
 * Plain JavaScript with nothing but Node's own modules, because it runs before anything is installed. Every step is skipped
 * when it is already done, so the same command serves the first run and all later ones.
 */
import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { ensureDriver } from './setup/driver.mjs';
import { SetupError, exitCodeOf, run, say } from './setup/process.mjs';

const root = fileURLToPath(new URL('../', import.meta.url));
const OLDEST_NODE = [20, 9];
const SOURCE_FOLDERS = ['engine', 'shaders', 'model', 'cli', 'test'];

/** What Node is to run for each job. */
const jobs = {
  demo: (args) => ['dist/cli/bin.js', 'demo', ...args],
  bench: (args) => ['dist/cli/bin.js', 'bench', ...args],
  faults: (args) => ['dist/test/faults/main.js', ...args],
  test: (args) => ['dist/test/main.js', ...args],
};

/** @throws SetupError for a Node that is too old */
export function checkNode(version = process.versions.node) {
  const [major, minor] = version.split('.').map(Number);
  const fits = major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1]);
  if (!fits) throw new SetupError(`Node ${OLDEST_NODE.join('.')} or later is needed, this is ${version}: install a newer one`);
}

/** Time of last change in milliseconds; 0 when the file does not exist. */
const changed = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0;

/** npm writes this file last, so it is as old as the installation. */
export const isInstalled = (folder) => changed(join(folder, 'node_modules/.package-lock.json')) >= changed(join(folder, 'package-lock.json'));

async function install() {
  if (isInstalled(root)) return;
  say('Installing the packages (npm ci) ...');
  const npm = process.env.npm_execpath;
  const args = ['ci', '--include=dev', '--no-audit', '--no-fund', '--loglevel=error'];
  // Under `npm run` npm names its own script; started by hand, Windows finds npm.cmd only through a shell.
  const ended = npm ? await run(process.execPath, [npm, ...args], { cwd: root }) : await run('npm', args, { cwd: root, shell: process.platform === 'win32' });
  if (ended.code !== 0) throw new SetupError('npm ci failed, see above');
}

/** Files of a folder that end so, with their path from `base`, sub-folders included. */
function filesEnding(base, folder, ending) {
  const path = join(base, folder);
  if (!existsSync(path)) return [];
  return readdirSync(path, { withFileTypes: true }).flatMap((entry) => {
    const name = `${folder}/${entry.name}`;
    return entry.isDirectory() ? filesEnding(base, name, ending) : entry.name.endsWith(ending) ? [name] : [];
  });
}

/** Whether dist holds the newest form of every source, and nothing of sources that are gone. The published package has dist alone. */
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
  return sources.length === outputs.size && sources.every(fresh);
}

async function build() {
  if (isBuilt(root)) return;
  say('Building (tsc) ...');
  rmSync(join(root, 'dist'), { recursive: true, force: true });
  // Without output after an error, the next run builds again instead of taking a broken dist for a fresh one.
  const { code } = await run(process.execPath, ['node_modules/typescript/bin/tsc', '--noEmitOnError'], { cwd: root });
  if (code !== 0) throw new SetupError('the build failed, see above');
}

async function main([name, ...args]) {
  const job = Object.hasOwn(jobs, name ?? '') ? jobs[name] : undefined;
  if (!job) throw new SetupError(`usage: node cli/setup.mjs ${Object.keys(jobs).join('|')} [arguments]`);
  checkNode();
  await install();
  await build();
  const driver = await ensureDriver(root);
  return exitCodeOf(await run(process.execPath, job(args), { cwd: root, env: { ...process.env, ...driver } }));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  process.exitCode = await main(process.argv.slice(2)).catch((error) => {
    if (!(error instanceof SetupError)) throw error;
    console.error(error.message);
    return 1;
  });
}
