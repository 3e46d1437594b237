/** Brushes over both photos: what is painted in one colour is one region, and takes its look from the same region. */
import { byId } from './dom.js';
import { scaled, type Brushed, type Labels } from './labels.js';

/** Of the regions from 1 on, as the buttons show them; a label image that has others adds them. */
export const COLOURS: (readonly [red: number, green: number, blue: number])[] = [[229, 72, 77], [47, 129, 247], [245, 179, 1]];
const OPACITY = 140;
/** Strokes that can be undone. */
const MOST_UNDONE = 50;
/** Longer side of the label images; the training takes the nearest. */
export const SIDE = 256;
/** Photos and the sizes that they are trained at differ by so little. */
const ROUNDING = 4;
export const WHICH = ['structure', 'appearance'] as const;
export type Which = (typeof WHICH)[number];

const labels: Partial<Record<Which, Labels>> = {};
/** The region that is painted: 0 erases, undefined paints nothing. */
let brush: number | undefined;
/** The labels before each of the last strokes. */
const before: Partial<Record<Which, Uint8Array>>[] = [];

const canvasOf = (which: Which): HTMLCanvasElement => document.querySelector(`canvas.labels[data-of=${which}]`)!;
const buttons = (): HTMLButtonElement[] => [...document.querySelectorAll<HTMLButtonElement>('#brushes [data-region]')];

/** Takes pictures of this size. What is painted stays, unless it was for another size. */
export function prepareBrush(which: Which, { width, height }: { readonly width: number; readonly height: number }): void {
  const scale = SIDE / Math.max(width, height);
  const [w, h] = [Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale))];
  const before = labels[which];
  const isSame = before && Math.abs(before.width - w) + Math.abs(before.height - h) < ROUNDING;
  if (!isSame) show(which, { width: w, height: h, data: new Uint8Array(w * h) });
  byId('brushes').hidden = WHICH.some((each) => !labels[each]);
}

function show(which: Which, image: Labels): void {
  labels[which] = image;
  draw(which);
}

/** Remembers what is painted now, for undo. */
function remember(): void {
  before.push(Object.fromEntries(WHICH.flatMap((which) => (labels[which] ? [[which, labels[which].data.slice()]] : []))));
  if (before.length > MOST_UNDONE) before.shift();
  byId<HTMLButtonElement>('undo-brush').disabled = false;
}

function undo(): void {
  const last = before.pop();
  for (const which of WHICH) {
    const image = labels[which];
    if (!image || last?.[which]?.length !== image.data.length) continue;
    image.data.set(last[which]);
    draw(which);
  }
  byId<HTMLButtonElement>('undo-brush').disabled = before.length === 0;
}

/** Shows label images of any size, or none. */
export function showBrushed(images: Brushed | undefined): void {
  for (const which of WHICH) {
    delete labels[which];
    if (!images) continue;
    prepareBrush(which, images[which]);
    show(which, scaled(images[which], labels[which]!));
  }
}

/** Nothing is painted on a new photo. */
export const forgetLabels = (which: Which): void => void delete labels[which];

/** Undefined before both photos are there. */
export function brushed(): Brushed | undefined {
  const { structure, appearance } = labels;
  return structure && appearance && { structure, appearance };
}

function draw(which: Which): void {
  const { width, height, data } = labels[which]!;
  const pixels = new Uint8ClampedArray(4 * data.length);
  data.forEach((region, i) => region > 0 && pixels.set([...COLOURS[(region - 1) % COLOURS.length]!, OPACITY], 4 * i));
  const canvas = canvasOf(which);
  Object.assign(canvas, { width, height, hidden: false });
  canvas.getContext('2d')!.putImageData(new ImageData(pixels, width, height), 0, 0);
}

/** The pixel of a label image under the pointer; the canvas shows it as a whole, in the middle. */
function pointOf(which: Which, { clientX, clientY }: PointerEvent): readonly [number, number] {
  const { width, height } = labels[which]!;
  const box = canvasOf(which).getBoundingClientRect();
  const scale = Math.min(box.width / width, box.height / height);
  return [(clientX - box.left - box.width / 2) / scale + width / 2, (clientY - box.top - box.height / 2) / scale + height / 2];
}

function stamp({ width, height, data }: Labels, [x, y]: readonly [number, number]): void {
  const radius = byId<HTMLInputElement>('brush-size').valueAsNumber;
  for (let row = Math.max(0, Math.ceil(y - radius)); row <= Math.min(height - 1, y + radius); row++) {
    const half = Math.sqrt(radius ** 2 - (row - y) ** 2);
    const [from, to] = [Math.max(0, Math.ceil(x - half)), Math.min(width, Math.floor(x + half) + 1)];
    if (to > from) data.fill(brush!, row * width + from, row * width + to);
  }
}

/** Along a line, so that a fast hand leaves no gaps. */
function stroke(which: Which, from: readonly [number, number], to: readonly [number, number]): void {
  const steps = Math.max(1, Math.ceil(Math.hypot(to[0] - from[0], to[1] - from[1])));
  for (let i = 1; i <= steps; i++) {
    const at = (axis: 0 | 1): number => from[axis] + ((to[axis] - from[axis]) * i) / steps;
    stamp(labels[which]!, [at(0), at(1)]);
  }
  draw(which);
}

function listenTo(which: Which, changed: () => void): void {
  const canvas = canvasOf(which);
  let last: readonly [number, number] | undefined;
  canvas.addEventListener('pointerdown', (event) => {
    if (brush === undefined) return;
    canvas.setPointerCapture(event.pointerId);
    remember();
    last = pointOf(which, event);
    stroke(which, last, last);
  });
  canvas.addEventListener('pointermove', (event) => {
    if (!last) return;
    const next = pointOf(which, event);
    stroke(which, last, next);
    last = next;
  });
  for (const end of ['pointerup', 'pointercancel'] as const) {
    canvas.addEventListener(end, () => {
      if (last) changed();
      last = undefined;
    });
  }
}

/** @param changed is called after every stroke */
export function listenToBrushes(changed: () => void): void {
  for (const which of WHICH) listenTo(which, changed);
  for (const button of buttons()) {
    button.addEventListener('click', () => {
      const region = Number(button.dataset['region']);
      brush = brush === region ? undefined : region;
      for (const each of buttons()) each.setAttribute('aria-pressed', String(Number(each.dataset['region']) === brush));
      document.body.classList.toggle('brushing', brush !== undefined);
    });
  }
  byId('undo-brush').addEventListener('click', () => {
    undo();
    changed();
  });
  byId('clear-brush').addEventListener('click', () => {
    remember();
    for (const which of WHICH) {
      labels[which]?.data.fill(0);
      if (labels[which]) draw(which);
    }
    changed();
  });
}
