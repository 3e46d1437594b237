/** The generator that the page carries, on the device of whoever opened it. */
import { startPainting } from '../../../model/generators/paint.js';
import { parseSafetensors } from '../../../model/files/safetensors.js';
import { recipes } from '../../../model/method/recipes.js';
import { openDevice } from '../../studio/page/device.js';
import { readPhoto, toShown } from '../../studio/page/pictures.js';
import type { Shown } from '../../studio/page/messages.js';
import type { SharedPair } from './data.js';

/** Bytes on the device above which a picture is painted in strips. */
const BUDGET = 512 * 2 ** 20;

type Painter = (photo: Blob | ImageBitmap) => Promise<Shown>;

let painter: Promise<Painter> | undefined;

/** The same one every time, or a new one after its device was lost. @throws Error with the remedy where WebGPU is missing */
export function openPainter(pair: SharedPair): Promise<Painter> {
  painter ??= open(pair);
  painter.catch(() => (painter = undefined));
  return painter;
}

async function open({ recipe, side, generator }: SharedPair): Promise<Painter> {
  if (!navigator.gpu) {
    throw new Error('this browser has no WebGPU: to paint other photos, open the page in a current Chrome, Edge or Safari');
  }
  const { engine } = await openDevice();
  void engine.device.lost.then(() => (painter = undefined));
  const { tensors } = parseSafetensors(Uint8Array.from(atob(generator), (letter) => letter.charCodeAt(0)));
  const painting = startPainting(engine, recipes[recipe].generator(), tensors);
  return async (photo) => {
    const { image } = await readPhoto('photo', photo, { shorter: side });
    return toShown((await painting.paint(image, BUDGET)).image);
  };
}
