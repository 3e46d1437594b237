/** Draws photos and results into the canvases of the page. */
import { byId, setText } from '../../watch/page/dom.js';
import { saveCanvas } from '../../watch/page/save.js';
import { listenToStrength, mixed, nameAt, pixelsOf } from '../../watch/page/strength.js';
import type { Shown } from './messages.js';

/** Photos are shown no larger than this; the runs read the files themselves. */
const SHOWN_SIDE = 512;

/** The newest result as it is, and its strength on the page. */
let result: Shown | undefined;
let strength = 1;

export function drawInto(canvas: HTMLCanvasElement, { width, height, data }: Shown): void {
  Object.assign(canvas, { width, height, hidden: false });
  canvas.getContext('2d')!.putImageData(new ImageData(data, width, height), 0, 0);
}

/** Shows a photo that was chosen in its place. Resolves with its canvas, or undefined for a file that is no picture. */
export async function showDrop(which: 'structure' | 'appearance', file: Blob): Promise<HTMLCanvasElement | undefined> {
  const drop = byId(which);
  const canvas = drop.querySelector('canvas')!;
  const bitmap = await createImageBitmap(file, { resizeHeight: SHOWN_SIDE, resizeQuality: 'high' }).catch(() => undefined);
  drop.classList.toggle('full', bitmap !== undefined);
  canvas.hidden = bitmap === undefined;
  if (!bitmap) return undefined;
  Object.assign(canvas, { width: bitmap.width, height: bitmap.height });
  canvas.getContext('2d')!.drawImage(bitmap, 0, 0);
  bitmap.close();
  return canvas;
}

/** Shows the pixels that a run is trained on in place of a photo. */
export function showPixels(which: 'structure' | 'appearance', picture: Shown): void {
  byId(which).classList.add('full');
  drawInto(byId(which).querySelector('canvas')!, picture);
}

export function showResult(picture: Shown, step: number, photo?: Shown): void {
  const figure = byId('result');
  figure.style.setProperty('--ratio', String(picture.width / picture.height));
  figure.classList.remove('empty');
  result = picture;
  if (photo) drawInto(byId<HTMLCanvasElement>('before'), photo);
  drawResult();
  for (const id of ['slider', 'strength-row']) byId(id).hidden = false;
  setText(byId('result-step'), step === 0 ? 'warm start' : `after ${step} steps${photo ? ', with detail' : ''}`);
}

/** The result, mixed with the structure photo. */
function drawResult(): void {
  if (!result) return;
  const structure = (): ImageData => pixelsOf(byId<HTMLCanvasElement>('before'), result!);
  drawInto(byId<HTMLCanvasElement>('after'), strength === 1 ? result : mixed(structure(), result, strength));
}

/** The slider of the result's strength. */
export const listenToMixture = (): void => listenToStrength((chosen) => {
  strength = chosen;
  drawResult();
});

/** The slider between the structure photo and the result: the share of the former that covers the latter. */
export function listenToSplit(): void {
  const split = byId<HTMLInputElement>('split');
  const show = (): void => {
    byId('before').style.setProperty('--split', `${split.value}%`);
    split.setAttribute('aria-valuetext', `${split.value} % of the structure photo`);
  };
  split.addEventListener('input', show);
  show();
}

export const savePicture = (): void => saveCanvas(nameAt('result', strength), byId<HTMLCanvasElement>('after'));

