/** Regions on the photos of a run: those it trains with, and those that are brushed, which it takes from the next step on. */
import { nearestPixels } from '../../../model/nearest.js';
import { isOver, PICTURES, picturePath, type Snapshot } from '../snapshot.js';
import { brushed, COLOURS, listenToBrushes, prepareBrush, showBrushed, SIDE, WHICH, type Which } from './brush.js';
import { sendBrushed } from './commands.js';
import { byId, setText } from './dom.js';
import type { Brushed, Labels } from './labels.js';
import { loadImage } from './pictures.js';
import { pixelsOf } from './strength.js';

type Colour = readonly [red: number, green: number, blue: number];

/** Colours of the brushes in a label image: those that its readers have names for. */
const SAVED: readonly Colour[] = [[255, 0, 0], [0, 0, 255], [255, 255, 0]];
const NAMES = ['red', 'blue', 'yellow'];
const LABELS = { structure: PICTURES.structureRegions, appearance: PICTURES.appearanceRegions } as const;

const savedAs = (region: number): Colour => SAVED[region - 1] ?? COLOURS[region - 1]!;
const nameOf = (region: number): string => NAMES[region - 1] ?? `#${savedAs(region).map(hex).join('')}`;
const hex = (value: number): string => value.toString(16).padStart(2, '0');

/** The number of a region by its colour in a label image; a colour that has no brush gets a number too. */
function regionOf(colour: Colour): number {
  const isIt = (_: unknown, i: number): boolean => savedAs(i + 1).every((value, c) => value === colour[c]);
  const known = COLOURS.findIndex(isIt);
  return known >= 0 ? known + 1 : COLOURS.push(colour);
}

/** The labels in a picture, as far as a brush needs them. */
async function labelsAt(path: string): Promise<Labels> {
  const image = await loadImage(path);
  const whole = pixelsOf(image, { width: image.naturalWidth, height: image.naturalHeight });
  const scale = Math.min(1, SIDE / Math.max(whole.width, whole.height));
  const [width, height] = [whole.width, whole.height].map((side) => Math.max(1, Math.round(side * scale))) as [number, number];
  const data = Uint8Array.from(nearestPixels(whole, { width, height }), (at) => {
    const [red, green, blue] = whole.data.subarray(4 * at, 4 * at + 3) as unknown as Colour;
    return red || green || blue ? regionOf([red, green, blue]) : 0;
  });
  return { width, height, data };
}

/** Without regions. */
const blank = ({ naturalWidth: width, naturalHeight: height }: HTMLImageElement): Labels =>
  ({ width, height, data: new Uint8Array(width * height) });

/** A label image as a PNG, in base64. */
function toPng({ width, height, data }: Labels): string {
  const image = new ImageData(width, height);
  data.forEach((region, i) => image.data.set([...(region === 0 ? [0, 0, 0] : savedAs(region)), 255], 4 * i));
  const canvas = Object.assign(document.createElement('canvas'), { width, height });
  canvas.getContext('2d')!.putImageData(image, 0, 0);
  return canvas.toDataURL('image/png').split(',')[1]!;
}

const regionsIn = ({ data }: Labels): readonly number[] => [...new Set(data)].filter(Boolean);

/** A region that is in one photo only, in words. */
function missingIn(images: Brushed): string | undefined {
  for (const [which, other] of [['structure', 'appearance'], ['appearance', 'structure']] as const) {
    const there = regionsIn(images[other]);
    const alone = regionsIn(images[which]).find((region) => !there.includes(region));
    if (alone !== undefined) return `Brush ${nameOf(alone)} in the ${other} photo too`;
  }
  return undefined;
}

function say(text: string, isRefusal = false): void {
  setText(byId('brush-note'), text);
  byId('brush-note').classList.toggle('refused', isRefusal);
}

/** Sends what is brushed as soon as every region has its partner; what is brushed meanwhile is sent afterwards. */
function createSender(): () => Promise<void> {
  let [isSending, wanted]: [boolean, Brushed?] = [false];
  return async () => {
    const images = brushed()!;
    const missing = missingIn(images);
    wanted = missing === undefined ? images : undefined;
    say(missing ?? 'Sending …');
    if (isSending) return;
    isSending = true;
    while (wanted) {
      const { structure, appearance } = wanted;
      wanted = undefined;
      const isEmpty = regionsIn(structure).length === 0;
      const problem = await sendBrushed(isEmpty ? {} : { structure: toPng(structure), appearance: toPng(appearance) })
        .then(() => undefined, ({ message }: Error) => message);
      const taken = isEmpty ? 'Without regions from the next step on' : 'Taken from the next step on';
      if (missingIn(brushed()!) === undefined) say(problem ?? taken, problem !== undefined);
    }
    isSending = false;
  };
}

const photoOf = (which: Which): HTMLImageElement | null => document.querySelector(`#input-${which} img`);

/** Returns the function that shows a run's regions, and lets them be brushed if `isLive`. */
export function createRegions(): (run: Snapshot, isLive: boolean) => void {
  const send = createSender();
  let isOwn = false; // what was brushed here stays, whatever the run has
  let shown = ','; // the versions of no label images
  let isReady = false;

  const prepare = (): boolean => {
    const photos = WHICH.map(photoOf);
    if (!isReady && photos.every((photo) => photo && photo.naturalWidth > 0)) {
      isReady = true;
      WHICH.forEach((which, i) => prepareBrush(which, { width: photos[i]!.naturalWidth, height: photos[i]!.naturalHeight }));
      listenToBrushes(() => {
        isOwn = true;
        void send();
      });
    }
    return isReady;
  };
  const load = async ({ pictures }: Snapshot): Promise<void> => {
    const infos = WHICH.map((which) => pictures.find(({ name }) => name === LABELS[which]));
    const key = infos.map((info) => info?.version).join();
    if (isOwn || shown === key) return;
    shown = key;
    const [structure, appearance] = await Promise.all(infos.map((info, i) =>
      (info ? labelsAt(picturePath(info)) : blank(photoOf(WHICH[i]!)!)))) as [Labels, Labels];
    if (!isOwn) showBrushed({ structure, appearance });
  };
  return (run, isLive) => {
    const isPossible = prepare();
    byId('brushes').hidden = !isPossible || !isLive || !run.about.brush || isOver(run.state.status);
    if (isPossible) load(run).catch(() => (shown = ','));
  };
}
