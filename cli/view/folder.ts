/** Follows a run by the files in its folder: for runs that have ended, and for those of another process. */
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import sharp from 'sharp';
import { encodeImage, readPhoto, readPicture, SHOWN_SIDE } from '../photos/photo.js';
import { aboutRun, endedNote, fieldOf, numberOf, planOf, resultLabel, textOf } from '../run/about.js';
import { readConfig, type Fields } from '../run/config.js';
import { readFigures } from '../run/figures.js';
import { previewsIn } from '../run/folder.js';
import { rateMeter } from '../shared/rate.js';
import { createFeed, type Feed, type FeedWriter, type ReadPng } from '../watch/feed.js';
import { isOver, type RunState, type RunStatus } from '../watch/snapshot.js';
import { logTail } from './logTail.js';

export interface FolderFeed extends Feed {
  /** Looks for news once. */
  refresh(): Promise<void>;
}

const STATUSES: readonly string[] = ['running', 'finished', 'interrupted', 'failed'] satisfies RunStatus[];

/**
 * @param isHeld whether a process has the folder; without one, a run whose status is `running` has died
 * @throws InputError when the folder holds no run
 */
export async function openRunFolder(folder: string, isHeld: (folder: string) => Promise<boolean>): Promise<FolderFeed> {
  let config = await readConfig(folder);
  const tail = logTail(join(folder, 'log.jsonl'));
  const rate = rateMeter();
  const feed = createFeed(aboutRun(config, folder, tail.terms), stateOf(config, 0));
  const result = pictureWatch(feed, join(folder, 'result.png'));
  let seen = '';

  const readLog = async (): Promise<void> => {
    const { rewound, rows } = await tail.read();
    if (rewound) feed.rewind();
    feed.losses(rows);
  };
  const refresh = async (): Promise<void> => {
    const before = config;
    config = await readConfig(folder).catch(() => config); // between two runs there is none for a moment
    await readLog();
    await showMeasures(feed, folder);
    const key = JSON.stringify([config, tail.terms]);
    if (key !== seen) {
      if (before['started'] !== config['started']) rate.reset();
      feed.about(aboutRun(config, folder, tail.terms));
      await showInputs(feed, config, folder);
    }
    seen = key;
    await showPreviews(feed, folder);
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

/** Shows a file again whenever it has changed. */
function pictureWatch(feed: FeedWriter, path: string): (picture: Parameters<FeedWriter['showPicture']>[0]) => Promise<void> {
  let shown = '';
  return async (picture) => {
    const found = await stat(path).catch(() => undefined);
    if (!found) return;
    const key = `${found.ino} ${found.mtimeMs} ${found.size} ${picture.step}`;
    if (key !== shown) feed.showPicture(picture, () => readPicture(path));
    shown = key;
  };
}

async function showPreviews(feed: FeedWriter, folder: string): Promise<void> {
  const previews = await previewsIn(folder);
  for (const { steps, path } of previews) feed.showPreview(steps, () => readPicture(path));
  feed.keepPreviews(previews.map(({ steps }) => steps));
}

async function showMeasures(feed: FeedWriter, folder: string): Promise<void> {
  const rows = await readFigures(join(folder, 'figures.jsonl')).catch(() => []); // a page must not fail because a file does
  if (JSON.stringify(rows) !== JSON.stringify(feed.snapshot().figures)) feed.figures(rows);
}

/** The photos as they were used: from their files if these are unchanged, else cut out of triptych.png. */
async function showInputs(feed: FeedWriter, config: Fields, folder: string): Promise<void> {
  for (const [name, label] of [['structure', 'Structure'], ['appearance', 'Appearance']] as const) {
    const read = (await photoAt(config, name)) ?? (await cutFromTriptych(config, name, join(folder, 'triptych.png')));
    if (read) feed.showPicture({ name, label }, read);
  }
}

async function photoAt(config: Fields, name: string): Promise<ReadPng | undefined> {
  const [path, hash, size] = [textOf(config, name, 'path'), textOf(config, name, 'sha256'), sizeOf(config, name)];
  if (!path || !size) return undefined;
  const side = Math.min(...size);
  const reading = hasDetail(config) ? { atMost: Math.max(SHOWN_SIDE, side) } : { shorterSide: side };
  const photo = await readPhoto(path, { ...reading, plain: true }).catch(() => undefined);
  if (!photo || photo.sha256 !== hash) return undefined;
  const png = encodeImage(photo.image);
  return async () => png;
}

/** Whether the result is finer than what was trained on. */
const hasDetail = (config: Fields): boolean => Boolean(fieldOf(config, 'options', 'detail'));

function sizeOf(config: Fields, name: string): readonly [number, number] | undefined {
  const size = fieldOf(config, name, 'usedSize');
  const isSide = (side: unknown): boolean => Number.isSafeInteger(side) && (side as number) > 0 && (side as number) <= 65_536;
  return Array.isArray(size) && size.length === 2 && size.every(isSide) ? (size as [number, number]) : undefined;
}

/** The structure is at the left; the appearance, scaled to the same height, at the right. */
async function cutFromTriptych(config: Fields, name: 'structure' | 'appearance', path: string): Promise<ReadPng | undefined> {
  const [structure, appearance] = [sizeOf(config, 'structure'), sizeOf(config, 'appearance')];
  if (!structure || !appearance) return undefined;
  const [w, h] = name === 'structure' ? structure : appearance;
  try {
    const whole = sharp(await readPicture(path));
    const { width: total, height } = await whole.metadata();
    const width = Math.max(1, Math.round((w * height) / h));
    const png = await whole.extract({ left: name === 'structure' ? 0 : total - width, top: 0, width, height }).png().toBuffer();
    return async () => png;
  } catch {
    return undefined;
  }
}
