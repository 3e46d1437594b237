/** Mesa's software Vulkan driver through apt: installed by root, or unpacked into a private folder by any user. */
import {
  cpSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { SetupError, run } from './process.mjs';

const PACKAGES = ['mesa-vulkan-drivers', 'libvulkan1'];
const SOURCE_LIST = '/etc/apt/sources.list';
const SOURCE_PARTS = '/etc/apt/sources.list.d';

/** Entries of a one-line file: `deb [options] uri suite components...`. */
function oneLineEntries(text) {
  const lines = text.matchAll(/^\s*deb\s+(?:\[(.*?)\]\s+)?(\S+)\s+(\S+)\s+(.*)$/gm);
  return [...lines].map(([, options = '', uri, suite, components]) => ({
    uris: uri,
    suites: [suite],
    components: components.split('#')[0].trim().split(/\s+/),
    signedBy: /signed-by=(\S+)/.exec(options)?.[1],
  }));
}

/** Entries of a deb822 file: paragraphs of `Field: value`, whose values may continue in indented lines. */
function paragraphEntries(text) {
  const paragraphs = text.replace(/^#.*\n/gm, '').split(/\n\s*\n/);
  return paragraphs.map((paragraph) => {
    const lines = [...paragraph.matchAll(/^([\w-]+):(.*(?:\n[ \t].*)*)/gm)];
    const fields = Object.fromEntries(lines.map(([, key, value]) => [key.toLowerCase(), value.trim()]));
    const words = (key) => (fields[key] ?? '').split(/\s+/);
    const isUsed = words('types').includes('deb') && (fields.enabled ?? 'yes') !== 'no';
    const suites = isUsed ? words('suites') : [];
    return { uris: fields.uris, suites, components: words('components'), signedBy: fields['signed-by'] };
  });
}

/**
 * The source of a suite's backports on the mirror that this machine already uses, as a deb822 paragraph.
 * @param files {name, text} of the machine's source files
 * @returns undefined when they do not have the suite itself
 */
export function backportsSource(files, suite) {
  const entries = files.flatMap(({ name, text }) => (name.endsWith('.sources') ? paragraphEntries(text) : oneLineEntries(text)));
  const main = entries.find(({ suites, components }) => suites.includes(suite) && components.includes('main'));
  if (!main) return undefined;
  const signed = main.signedBy ? `Signed-By: ${main.signedBy}\n` : '';
  return `Types: deb\nURIs: ${main.uris}\nSuites: ${suite}-backports\nComponents: main\n${signed}`;
}

function machineSources() {
  const parts = existsSync(SOURCE_PARTS) ? readdirSync(SOURCE_PARTS).filter((name) => /\.(list|sources)$/.test(name)) : [];
  const paths = [SOURCE_LIST, ...parts.map((name) => join(SOURCE_PARTS, name))].filter(existsSync);
  return paths.map((name) => ({ name, text: readFileSync(name, 'utf8') }));
}

/** apt options that add the backports to the machine's own sources for one call. @throws SetupError without a mirror */
function withBackports(scratch, backports) {
  if (!backports) return { sources: [], release: [] };
  const suite = backports.replace('-backports', '');
  const entry = backportsSource(machineSources(), suite);
  const remedy = `add one, or install ${PACKAGES.join(' and ')} from ${backports} by hand`;
  if (!entry) throw new SetupError(`apt has no source of ${suite} main for Mesa: ${remedy}`);
  const parts = join(scratch, 'sources');
  if (existsSync(SOURCE_PARTS)) cpSync(SOURCE_PARTS, parts, { recursive: true });
  else mkdirSync(parts);
  writeFileSync(join(parts, 'splice-gpu-backports.sources'), entry);
  return { sources: ['-o', `Dir::Etc::SourceParts=${parts}`], release: ['-t', backports] };
}

async function must(program, args) {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' };
  const { code, text } = await run(program, args, { env, capture: true });
  if (code !== 0) throw new SetupError(`${program} failed:\n${text.trim().split('\n').slice(-12).join('\n')}`);
}

/** Calls `use` with a folder that is removed afterwards. */
async function inScratch(parent, use) {
  mkdirSync(parent, { recursive: true });
  const scratch = mkdtempSync(join(parent, 'splice-gpu-'));
  try {
    return await use(scratch);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

/** Installs the driver into the system. Needs root. @param backports suite that has it, or undefined @throws SetupError */
export const installWithApt = (backports) =>
  inScratch(tmpdir(), async (scratch) => {
    const { sources, release } = withBackports(scratch, backports);
    await must('apt-get', ['-q', ...sources, 'update']);
    await must('apt-get', ['-q', '-y', ...sources, 'install', '--no-install-recommends', ...release, ...PACKAGES]);
  });

/** Options for apt-get as any user, with its own state; the list of installed packages is the system's. */
function privateState(scratch) {
  const [state, cache] = [join(scratch, 'state'), join(scratch, 'cache')];
  for (const folder of [join(state, 'lists/partial'), join(cache, 'archives/partial')]) mkdirSync(folder, { recursive: true });
  const options = [
    `Dir::State=${state}`, 'Dir::State::status=/var/lib/dpkg/status', `Dir::Cache=${cache}`, 'Debug::NoLocking=1',
  ];
  return options.flatMap((option) => ['-o', option]);
}

/** The first file of a tree whose name matches, or undefined. */
function findFile(folder, pattern) {
  const name = readdirSync(folder, { recursive: true }).find((path) => pattern.test(basename(path)));
  return name && join(folder, name);
}

/**
 * The variables that make Vulkan's loader use the driver in `root`; writes the loader's description of it next to `root`.
 * @throws SetupError when there is no driver
 */
export function describeDriver(root) {
  const description = findFile(root, /^lvp_icd.*\.json$/);
  const library = findFile(root, /^libvulkan_lvp\.so$/);
  if (!description || !library) {
    throw new SetupError(`mesa-vulkan-drivers has no software driver on ${process.arch}: install a Vulkan driver by hand`);
  }
  const icd = JSON.parse(readFileSync(description, 'utf8'));
  icd.ICD.library_path = library;
  const file = join(dirname(root), 'lvp_icd.json');
  writeFileSync(file, JSON.stringify(icd, null, 2));
  // Debian has a few libraries in /lib and all others in /usr/lib, in a folder named after the processor.
  const processor = basename(dirname(library));
  return { VK_DRIVER_FILES: file, LD_LIBRARY_PATH: `${root}/usr/lib/${processor}:${root}/lib/${processor}` };
}

/**
 * Unpacks the driver and the dependencies that the system lacks into `folder`/root, and writes `folder`/env.json last.
 * @param backports suite that has it, or undefined @throws SetupError
 */
export async function unpackWithApt(folder, backports) {
  const root = join(folder, 'root');
  await inScratch(folder, async (scratch) => {
    const { sources, release } = withBackports(scratch, backports);
    const state = privateState(scratch);
    await must('apt-get', ['-q', ...state, ...sources, 'update']);
    // --reinstall also fetches a package that the system has, but whose driver does not work.
    const fetch = ['install', '--download-only', '--reinstall', '--no-install-recommends'];
    await must('apt-get', ['-q', '-y', ...state, ...sources, ...fetch, ...release, ...PACKAGES]);
    const archives = join(scratch, 'cache', 'archives');
    const unpacked = join(scratch, 'root');
    const packages = readdirSync(archives).filter((file) => file.endsWith('.deb'));
    for (const name of packages) await must('dpkg', ['-x', join(archives, name), unpacked]);
    rmSync(root, { recursive: true, force: true });
    renameSync(unpacked, root);
  });
  const variables = describeDriver(root);
  // Its presence means that the driver is complete.
  writeFileSync(join(folder, 'env.json.tmp'), JSON.stringify(variables, null, 2));
  renameSync(join(folder, 'env.json.tmp'), join(folder, 'env.json'));
}
