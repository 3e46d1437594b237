/**
 * Follows a run by the files in its folder: for runs that have ended, and for those of another process. The folder may be a
 * stranger's, so the paths in its config.json are read by nobody here.
 */
import { stat } from 'node:fs/promises';
import { basename, win32 } from 'node:path';
import sharp from 'sharp';
import { encodeImage, readPhoto, readPicture, SHOWN_SIDE, type ReadOptions } from '../photos/photo.js';
import { aboutRun, endedNote, fieldOf, numberOf, planOf, resultLabel, textOf } from '../run/about.js';
import { readConfig, type Fields } from '../run/config.js';
import { readFigures } from '../run/figures.js';
import { previewsIn } from '../run/folder.js';
import { branchPoints } from '../run/kept.js';
import { rateMeter } from '../shared/rate.js';
import { createFeed, type Feed, type FeedWriter } from '../watch/feed.js';
import { halved } from '../watch/page/thin.js';
import { isOver, PICTURES, type RunState, type RunStatus } from '../watch/snapshot.js';
import { pathInside } from './inside.js';
import { logTail } from './logTail.js';

export interface FolderFeed extends Feed {
  /** Looks for news once. */
  refresh(): Promise<void>;
}

const STATUSES: readonly string[] = ['running', 'finished', 'interrupted', 'failed'] satisfies RunStatus[];

/**
 * @param isHeld whether a process has the folder; without one, a run whose status is `running` has died
 * @param note gets a line for each photo that is not shown
 * @throws InputError when the folder holds no run, or its config or log is a link to a file outside
 */
export async function openRunFolder(
  folder: string, isHeld: (folder: string) => Promise<boolean>, note: (line: string) => void = () => undefined,
): Promise<FolderFeed> {
  const read = async (): Promise<Fields> => {
    await pathInside(folder, 'config.json');
    return readConfig(folder);
  };
  let config = await read();
  const tail = logTail(await pathInside(folder, 'log.jsonl'));
  const rate = rateMeter();
  const feed = createFeed(aboutRun(config, folder, tail.terms), stateOf(config, 0));
  const result = pictureWatch(feed, folder, 'result.png');
  const inputs = inputsWatch(feed, folder, note);
  let seen = '';

  const readLog = async (): Promise<void> => {
    const { rewound, rows } = await tail.read();
    if (rewound) feed.rewind();
    feed.losses(rows);
  };
  const refresh = async (): Promise<void> => {
    const before = config;
    config = await read().catch(() => config); // between two runs there is none for a moment
    await readLog();
    await showMeasures(feed, folder);
    const key = JSON.stringify([config, tail.terms]);
    if (key !== seen) {
      if (before['started'] !== config['started']) rate.reset();
      feed.about(aboutRun(config, folder, tail.terms));
    }
    seen = key;
    await inputs(config);
    await showPreviews(feed, folder);
    await showBranches(feed, folder, config);
    const last = feed.snapshot().losses.at(-1)?.[0];
    const next = stateOf(config, last === undefined ? 0 : last + 1);
    const state = next.status === 'running' && !(await isHeld(folder)) ? gone(next) : withRate(next, rate.mark(next.done));
    const step = textOf(config, 'status') === 'running' ? undefined : numberOf(config, 'stepsDone');
    await result({ name: 'result', label: resultLabel(config), ...(step !== undefined && { step }) });
    if (JSON.stringify(state) !== JSON.stringify(feed.snapshot().state)) feed.state(state);
  };
  await refresh();
  return { ...feed, get listeners() { return feed.listeners; }, refresh };
}

/** @param logged training steps in the log; the config of a run in progress does not have their number */
function stateOf(config: Fields, logged: number): RunState {
  const { warmStart, steps } = planOf(config);
  const total = Math.max(1, warmStart + steps);
  const named = textOf(config, 'status') ?? '';
  const status = (STATUSES.includes(named) ? named : 'running') as RunStatus;
  const trained = isOver(status) ? (numberOf(config, 'stepsDone') ?? logged) : logged;
  const done = trained > 0 || status === 'finished' ? Math.min(total, warmStart + trained) : 0;
  const ended = status === 'finished' ? textOf(config, 'ended') : undefined;
  const seconds = isOver(status) ? numberOf(config, 'seconds') : undefined;
  return {
    status,
    phase: trained > 0 || warmStart === 0 ? 'training' : 'warm start',
    done,
    total,
    ...(seconds && { secondsTaken: seconds, stepsPerSecond: done / seconds }),
    ...(status === 'failed' && { note: textOf(config, 'error') }),
    ...(ended && { note: endedNote(ended) }),
  };
}

const gone = (state: RunState): RunState =>
  ({ ...state, status: 'gone', note: 'The process ended without finishing the run; this is what it had saved.' });

const withRate = (state: RunState, stepsPerSecond: number | undefined): RunState =>
  isOver(state.status) || !stepsPerSecond
    ? state : { ...state, stepsPerSecond, secondsLeft: (state.total - state.done) / stepsPerSecond };

/** Changes whenever a file does; undefined when there is none. */
async function versionOf(folder: string, name: string): Promise<string | undefined> {
  const found = await pathInside(folder, name).then(stat).catch(() => undefined);
  return found && `${found.ino} ${found.mtimeMs} ${found.size}`;
}

/** A PNG of the folder. @throws InputError when it is none, or outside */
const pictureAt = async (folder: string, name: string): Promise<Buffer> => readPicture(await pathInside(folder, name));

/** Shows a file again whenever it has changed. */
function pictureWatch(
  feed: FeedWriter, folder: string, file: string,
): (picture: Parameters<FeedWriter['showPicture']>[0]) => Promise<void> {
  let shown = '';
  return async (picture) => {
    const version = await versionOf(folder, file);
    if (version === undefined) return;
    const key = `${version} ${picture.step}`;
    if (key !== shown) feed.showPicture(picture, () => pictureAt(folder, file));
    shown = key;
  };
}

async function showPreviews(feed: FeedWriter, folder: string): Promise<void> {
  const isInside = await pathInside(folder, 'previews').then(() => true, () => false);
  const previews = isInside ? await previewsIn(folder) : [];
  for (const { steps, path } of previews) feed.showPreview(steps, () => pictureAt(folder, `previews/${basename(path)}`));
  feed.keepPreviews(previews.map(({ steps }) => steps));
}

async function showBranches(feed: FeedWriter, folder: string, config: Fields): Promise<void> {
  const parts = ['checkpoints', 'kept'].map((name) => pathInside(folder, name));
  const areInside = await Promise.all(parts).then(() => true, () => false);
  const points = areInside ? await branchPoints(folder, planOf(config).warmStart) : [];
  feed.branches(points.map(({ steps }) => steps));
}

async function showMeasures(feed: FeedWriter, folder: string): Promise<void> {
  // A page must not fail because a file does.
  const rows = await pathInside(folder, 'figures.jsonl').then(readFigures).catch(() => []);
  if (JSON.stringify(halved(rows)) !== JSON.stringify(feed.snapshot().figures)) feed.figures(rows);
}

/** Shows the photos as they were used: from files of the folder if these are the photos, else cut out of triptych.png. */
function inputsWatch(feed: FeedWriter, folder: string, note: (line: string) => void): (config: Fields) => Promise<void> {
  let seen = '';
  const shown = new Map<string, Buffer>();
  const told = new Set<string>();
  return async (config) => {
    const key = JSON.stringify([config, await versionOf(folder, 'triptych.png')]);
    if (key === seen) return;
    seen = key;
    for (const [name, label] of [['structure', 'Structure'], ['appearance', 'Appearance']] as const) {
      const photo = await photoIn(folder, config, name);
      const png = photo ?? (await cutFromTriptych(folder, config, name));
      if (photo && name === PICTURES.structure && hasDetail(config)) {
        feed.showPicture({ name: PICTURES.fine, label }, () => fineStructure(folder, config));
      }
      if (png && !shown.get(name)?.equals(png)) feed.showPicture({ name, label }, async () => png);
      if (png) shown.set(name, png);
      else if (sizeOf(config, name) && !shown.has(name) && !told.has(name)) {
        told.add(name);
        const why = 'and nothing outside is opened: it is left out until triptych.png has it';
        note(`note: the ${name} photo is not in ${folder}, ${why}`);
      }
    }
  };
}

/** The photo, by default as it is shown, with the name and the bytes that config.json records, if it is in the folder. */
async function photoIn(folder: string, config: Fields, name: string, at?: ReadOptions): Promise<Buffer | undefined> {
  const [path, hash, size] = [textOf(config, name, 'path'), textOf(config, name, 'sha256'), sizeOf(config, name)];
  if (!path || !size) return undefined;
  const side = Math.min(...size);
  const reading = at ?? (hasDetail(config) ? { atMost: Math.max(SHOWN_SIDE, side) } : { shorterSide: side });
  // The record may come from another system.
  const inside = pathInside(folder, win32.basename(path));
  const photo = await inside.then((found) => readPhoto(found, { ...reading, plain: true })).catch(() => undefined);
  return photo && photo.sha256 === hash ? encodeImage(photo.image) : undefined;
}

/** The structure photo at the size of the result. @throws Error when it is no longer there */
async function fineStructure(folder: string, config: Fields): Promise<Buffer> {
  const { width, height } = await sharp(await pictureAt(folder, 'result.png')).metadata();
  const photo = await photoIn(folder, config, PICTURES.structure, { shorterSide: Math.min(width, height) });
  if (photo) return photo;
  throw new Error('the structure photo is gone');
}

/** Whether the result is finer than what was trained on. */
const hasDetail = (config: Fields): boolean => Boolean(fieldOf(config, 'options', 'detail'));

function sizeOf(config: Fields, name: string): readonly [number, number] | undefined {
  const size = fieldOf(config, name, 'usedSize');
  const isSide = (side: unknown): boolean => Number.isSafeInteger(side) && (side as number) > 0 && (side as number) <= 65_536;
  return Array.isArray(size) && size.length === 2 && size.every(isSide) ? (size as [number, number]) : undefined;
}

/** The structure is at the left; the appearance, scaled to the same height, at the right. */
async function cutFromTriptych(folder: string, config: Fields, name: 'structure' | 'appearance'): Promise<Buffer | undefined> {
  const [structure, appearance] = [sizeOf(config, 'structure'), sizeOf(config, 'appearance')];
  if (!structure || !appearance) return undefined;
  const [w, h] = name === 'structure' ? structure : appearance;
  try {
    const whole = sharp(await pictureAt(folder, 'triptych.png'));
    const { width: total, height } = await whole.metadata();
    const width = Math.max(1, Math.round((w * height) / h));
    return await whole.extract({ left: name === 'structure' ? 0 : total - width, top: 0, width, height }).png().toBuffer();
  } catch {
    return undefined;
  }
}
