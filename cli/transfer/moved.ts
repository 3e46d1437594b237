/** A transfer as one file: packed from its folder, for a browser or another machine, and unpacked into one again. */
import { mkdir, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { CheckpointFileError } from '../../model/files/errors.js';
import { openRun, packRun, PHOTO, type RunFile, type Sha256 } from '../../model/training/runFile.js';
import { readPhoto, type Photo } from '../photos/photo.js';
import { checkpointsIn, encodeCheckpoint, stepsIn } from '../run/checkpoints.js';
import { objectOf, parseConfig, readConfigOf, type Fields } from '../run/config.js';
import { parseLog, runLog } from '../run/log.js';
import { InputError } from '../shared/errors.js';
import { exists, prepareFolder, readInput, sha256, writeFileAtomic, writeJson } from '../shared/files.js';
import { isHeld } from '../shared/lock.js';
import { writeLine, type Output } from '../shared/progress.js';
import { readText } from '../shared/read.js';
import { parseOptions } from './options.js';
import { logLine } from '../../model/training/log.js';

/** Two photos of 512 MB are the most that is read. */
const MOST_BYTES = 1.9e9;

const hash: Sha256 = async (parts) => sha256(parts.length === 1 ? parts[0]! : Buffer.concat(parts));

/** Writes FOLDER.zip and returns its path. @throws InputError for a folder that holds no run of one pair, or one in progress */
export async function packFolder(folder: string, note: (line: string) => void): Promise<string> {
  const config = await readConfigOf('transfer', folder);
  const options = parseConfig(folder, () => parseOptions(config, { folder, json: false }));
  const { structure, appearance, structureRegions, size, generator } = options;
  if (config['frames']) throw new InputError(`${folder} has frames, which a run as one file cannot hold: resume it as a folder`);
  if (generator) throw new InputError(`${folder} began with a generator for any pair, which a browser cannot go on with`);
  if (structureRegions) throw new InputError(`${folder} has regions, which a run as one file cannot hold: resume it as a folder`);
  if (await isHeld(folder)) throw new InputError(`${folder} is in use by a run: stop that first`);
  const reading = size === undefined ? {} : { shorterSide: size };
  const photos = { structure: await readPhoto(structure, reading), appearance: await readPhoto(appearance, reading) };
  const log = join(folder, 'log.jsonl');
  const checkpoint = await checkpointsIn(join(folder, 'checkpoints'))
    .newest(runLog(log, join(folder, 'timings.jsonl')).problemOf, note);
  const lines = checkpoint ? Buffer.from(await readText(log)).subarray(0, checkpoint.logBytes).toString() : '';
  const named = (which: keyof typeof photos): string => `photos/${which}.${photos[which].format}`;
  const moved = (which: keyof typeof photos) => ({ [which]: { ...objectOf(which, config[which]), path: named(which) } });
  const bytes = async ({ path }: Photo) => readInput(path, MOST_BYTES);
  const run: RunFile = {
    config: { ...config, ...moved('structure'), ...moved('appearance') },
    log: lines === '' ? [] : parseLog(log, lines),
    photos: new Map([
      [named('structure'), await bytes(photos.structure)], [named('appearance'), await bytes(photos.appearance)],
    ]),
    pixels: { structure: photos.structure.image, appearance: photos.appearance.image },
    ...(checkpoint && { checkpoint }),
  };
  const path = `${resolve(folder)}.zip`;
  await writeFileAtomic(path, await packRun(run, hash));
  return path;
}

/** The folder of a run: `path`, or where the file at `path` is unpacked. @throws InputError for a file that is no run */
export async function folderOf(path: string, stderr: Output): Promise<string> {
  const isFile = await stat(path).then((found) => found.isFile(), () => false);
  return isFile ? unpack(path, stderr) : path;
}

async function unpack(path: string, stderr: Output): Promise<string> {
  const run = await openRun(await readInput(path, MOST_BYTES), hash).catch((error: Error) => {
    const remedy = error instanceof CheckpointFileError ? error.remedy : 'save the run again';
    throw new InputError(`${path} holds no run that can be resumed (${error.message}): ${remedy}`, { cause: error });
  });
  if (run.regions) throw new InputError(`${path} has brushed regions, which only the studio can go on with: open it there`);
  const folder = path.replace(/\.zip$/, '');
  const at = (name: string): string => join(folder, name);
  const isTaken = folder === path || (await exists(at('config.json')));
  if (isTaken) throw new InputError(`${path} would be unpacked to ${folder}, which exists: resume that, or move the file`);
  const moved = placed(path, folder, run.config);
  await prepareFolder(folder);
  for (const [name, bytes] of run.photos) {
    await mkdir(dirname(at(name)), { recursive: true });
    await writeFileAtomic(at(name), bytes);
  }
  if (run.log.length > 0) await writeFileAtomic(at('log.jsonl'), run.log.map(logLine).join(''));
  if (run.checkpoint) {
    await mkdir(at('checkpoints'), { recursive: true });
    const name = `checkpoints/${String(stepsIn(run.checkpoint.state)).padStart(5, '0')}.safetensors`;
    await writeFileAtomic(at(name), encodeCheckpoint(run.checkpoint));
  }
  // Last: without it nothing takes the rest for a run.
  await writeJson(at('config.json'), { ...run.config, ...moved });
  writeLine(stderr, `${path} is unpacked to ${folder}`);
  return folder;
}

/** The photos with their paths in `folder`. @throws InputError for a file whose photos would be read from elsewhere */
const placed = (path: string, folder: string, config: Fields): Fields =>
  Object.fromEntries(['structure', 'appearance'].map((which) => {
    const { path: name, ...rest } = (config[which] ?? {}) as Fields;
    if (typeof name === 'string' && PHOTO.test(name)) return [which, { ...rest, path: resolve(folder, name) }];
    throw new InputError(`${path} holds no ${which} photo of its own: save the run again`);
  }));
