/** Draws the model into the page: texts, figures and pictures. chart.ts draws the curves. */
import { isOver, PICTURES, picturePath, previewPath, type PictureInfo, type RunState, type Snapshot } from '../snapshot.js';
import { byId, element, setText } from './dom.js';
import { forget, picture } from './pictures.js';
import type { Connection, Model } from './stream.js';
import { duration, percent, speed, statusText } from './texts.js';

export function showHeader({ connection, run }: Model): void {
  const state = run?.state;
  const over = state !== undefined && isOver(state.status);
  const status = byId('status');
  const lost = !over && (connection === 'lost' || connection === 'closed');
  status.dataset['status'] = lost ? 'lost' : (state?.status ?? 'starting');
  setText(status, lost ? 'no connection' : state ? statusText(state.status) : 'connecting');
  if (!run || !state) return;
  setText(byId('title'), run.about.title);
  document.title = `${over ? statusText(state.status) : percent(state)} · ${run.about.title}`;
  Object.assign(byId<HTMLProgressElement>('progress'), { max: Math.max(1, state.total), value: state.done });
  showBanner(connection, run);
}

/** Replaces the children of an element if `content` differs from that of the last call. */
function redraw(holder: HTMLElement, content: unknown, make: () => readonly (Node | string)[]): void {
  const key = JSON.stringify(content);
  if (holder.dataset['key'] === key) return;
  holder.dataset['key'] = key;
  holder.replaceChildren(...make());
}

function showBanner(connection: Connection, run: Snapshot): void {
  const holder = byId('banner');
  const { bad = false, text, commands = [] } = bannerOf(connection, run);
  holder.hidden = text === undefined;
  holder.dataset['kind'] = bad ? 'bad' : 'good';
  const parts = () => commands.flatMap(([what, command]) => [` ${what} `, element('code', { textContent: command })]);
  redraw(holder, [text, commands], () => [text ?? '', ...parts()]);
}

interface Banner {
  readonly bad?: boolean;
  /** Absent while there is nothing to report. */
  readonly text?: string;
  /** Possible actions and the command line of each. */
  readonly commands?: readonly (readonly [what: string, command: string])[];
}

const LOST = 'No news from the run: its process has ended or is blocked. This page continues by itself when it is back.';
const CLOSED = 'The process of this page has ended. The page shows its last state.';

function bannerOf(connection: Connection, { state, about }: Snapshot): Banner {
  const offline = connection === 'closed' || connection === 'lost';
  const again = ['To see it again:', about.again] as const;
  if (state.status === 'finished') {
    const text = [ending(state), state.note].filter(Boolean).join(' ');
    return offline ? { text, commands: [again] } : state.note ? { text } : {};
  }
  if (isOver(state.status)) {
    const resume = about.goOn ? [['To resume it:', about.goOn] as const] : [];
    const text = [ending(state), state.note].filter(Boolean).join(' ');
    return { bad: state.status !== 'interrupted', text, commands: [...resume, ...(offline ? [again] : [])] };
  }
  if (offline) return { bad: true, text: connection === 'lost' ? LOST : CLOSED, commands: [again] };
  return state.note ? { text: state.note } : {};
}

function ending({ status, done, total }: RunState): string {
  const steps = `${done} of ${total} steps`;
  if (status === 'finished') return done < total ? `Finished after ${steps}.` : `Finished: all ${total} steps are done.`;
  if (status === 'interrupted') return `Stopped after ${steps}; everything is saved.`;
  if (status === 'failed') return `Failed after ${steps}.`;
  return `The process of the run has been gone since ${steps}.`;
}

export function showFigures({ connection, run }: Model): void {
  if (!run) return;
  const { state, about } = run;
  const moving = state.status === 'running' && connection === 'live';
  setText(byId('step'), `${state.done} / ${state.total}`);
  setText(byId('phase'), isOver(state.status) ? statusText(state.status) : state.phase);
  setText(byId('speed'), state.stepsPerSecond ? speed(state.stepsPerSecond) : '–');
  const taken = isOver(state.status) ? state.secondsTaken : undefined;
  setText(byId('left-label'), taken === undefined ? 'Time left' : 'Took');
  const seconds = taken ?? (moving ? state.secondsLeft : undefined);
  setText(byId('left'), seconds === undefined ? '–' : duration(seconds));
  redraw(byId('facts'), about.facts, () =>
    about.facts.flatMap(([name, value]) => [element('dt', { textContent: name }), element('dd', { textContent: value })]));
}

/** Gives the frame of a picture the picture's proportions. */
function fit({ currentTarget }: Event): void {
  const { naturalWidth, naturalHeight, parentElement } = currentTarget as HTMLImageElement;
  const figure = parentElement?.closest<HTMLElement>('.picture');
  figure?.style.setProperty('--ratio', String(naturalWidth / Math.max(1, naturalHeight)));
  figure?.classList.remove('empty');
}

/** Shows the picture at `path` as soon as it has arrived, unless another one has been requested in the meantime. */
export function showImage(image: HTMLImageElement, path: string, alt: string): void {
  const before = image.dataset['path'];
  if (before === path) return;
  image.dataset['path'] = path;
  picture(path).then(
    (url) => {
      if (image.dataset['path'] !== path) return;
      Object.assign(image, { src: url, alt, hidden: false, onload: fit });
      if (before && isVersionOf(before, path)) forget(before);
    },
    () => delete image.dataset['path'],
  );
}

/** Whether `before` is an older version of the same picture, which is never shown again. */
const isVersionOf = (before: string, path: string): boolean =>
  before.startsWith('picture/') && before.slice(0, before.lastIndexOf('/')) === path.slice(0, path.lastIndexOf('/'));

/** Pictures that are not shown beside the result. */
const APART: readonly string[] = [PICTURES.result, PICTURES.fine, PICTURES.structureRegions, PICTURES.appearanceRegions];

/** The photos, in the order of the run. */
export function showInputs(pictures: readonly PictureInfo[]): void {
  const inputs = byId('inputs');
  const shown = pictures.filter(({ name }) => !APART.includes(name));
  inputs.hidden = shown.length === 0;
  for (const info of shown) {
    const figure = inputs.querySelector(`#input-${info.name}`) ?? inputs.insertBefore(inputFigure(info), byId('brushes'));
    showImage(figure.querySelector('img')!, picturePath(info), `${info.label} photo`);
  }
}

/** The place of a photo's regions. */
function labelsOf(name: string, label: string): HTMLCanvasElement {
  const ariaLabel = `Regions of the ${label.toLowerCase()} photo`;
  const canvas = element('canvas', { className: 'labels', hidden: true, role: 'img', ariaLabel });
  canvas.dataset['of'] = name;
  return canvas;
}

const inputFigure = ({ name, label }: PictureInfo): HTMLElement =>
  element('figure', { id: `input-${name}`, className: 'picture empty' }, [
    element('div', { className: 'frame' }, [
      element('img', { hidden: true }),
      labelsOf(name, label),
      element('figcaption', {}, [element('span', { className: 'name', textContent: label })]),
    ]),
  ]);

const keptPreviews = new Set<string>();

/** Fetches every preview once, so that the slider works after the process of the run has ended. */
export function keepPreviews({ previews, epoch }: Snapshot): void {
  for (const path of previews.map((step) => previewPath(epoch, step))) {
    if (!keptPreviews.has(path)) picture(path).catch(() => keptPreviews.delete(path));
    keptPreviews.add(path);
  }
}

/** Fetches all pictures. */
export function keepPictures({ pictures }: Snapshot): void {
  for (const info of pictures) picture(picturePath(info)).catch(() => undefined);
}
