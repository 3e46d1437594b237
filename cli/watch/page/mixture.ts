/** The strength of the picture that is shown: it is mixed with the structure photo on a canvas above it, and saved. */
import { PICTURES, picturePath, type Snapshot } from '../snapshot.js';
import { byId, setText } from './dom.js';
import { loadImage } from './pictures.js';
import { saveCanvas } from './save.js';
import { listenToStrength, mixed, nameAt, pixelsOf } from './strength.js';

/** A picture of the run's progress. */
export interface Shown {
  readonly path: string;
  readonly step: number | undefined;
  readonly alt: string;
}

/** What is mixed, at the size of the result. */
interface Parts {
  readonly structure: ImageData;
  readonly result: ImageData;
  /** The photo has fewer pixels than the result. */
  readonly isEnlarged: boolean;
}

/** The addresses of the structure photo. Before the end no result is as fine as the fine one, which takes a while to make. */
function photosOf({ pictures, state }: Snapshot): string[] {
  const names = [PICTURES.structure, ...(state.status === 'finished' ? [PICTURES.fine] : [])];
  return names.flatMap((name) => pictures.filter((each) => each.name === name).map(picturePath));
}

async function partsOf(photos: readonly string[], shown: string): Promise<Parts> {
  const result = await loadImage(shown);
  let photo = await loadImage(photos[0]!);
  for (const finer of photos.slice(1)) if (photo.naturalHeight !== result.naturalHeight) photo = await loadImage(finer);
  const { naturalWidth: width, naturalHeight: height } = result;
  const pixels = (image: HTMLImageElement): ImageData => pixelsOf(image, { width, height });
  return { structure: pixels(photo), result: pixels(result), isEnlarged: photo.naturalHeight < height };
}

/** Returns the function that shows `shown`, the newest result or a preview, at the chosen strength. */
export function mixtureView(): (run: Snapshot, shown: Shown | undefined) => void {
  const canvas = byId<HTMLCanvasElement>('mixture');
  let strength = 1;
  let [run, shown]: [Snapshot?, Shown?] = [];
  let loaded: { readonly key: string; readonly parts: Promise<Parts> } | undefined;

  let drawn = '';

  const draw = async ({ path, alt }: Shown, photos: readonly string[]): Promise<void> => {
    const key = JSON.stringify([path, photos]);
    if (drawn === key + strength) return;
    drawn = key + strength;
    if (loaded?.key !== key) loaded = { key, parts: partsOf(photos, path) };
    const wanted = loaded;
    const parts = await wanted.parts.catch(() => undefined);
    if (wanted !== loaded || strength === 1) return;
    if (!parts) {
      [loaded, drawn] = [undefined, '']; // a newer one has replaced it, or the process has ended
      return;
    }
    const mixture = mixed(parts.structure, parts.result, strength);
    Object.assign(canvas, { width: mixture.width, height: mixture.height, hidden: false });
    canvas.setAttribute('aria-label', `${alt} at strength ${strength}`);
    canvas.getContext('2d')!.putImageData(mixture, 0, 0);
    byId('enlarged').hidden = !parts.isEnlarged;
  };
  const show = (): void => {
    const photos = run ? photosOf(run) : [];
    byId('strength-row').hidden = !shown || photos.length === 0;
    showCommand(run, shown, strength);
    if (run && shown && photos.length > 0 && strength !== 1) return void draw(shown, photos);
    drawn = '';
    for (const element of [canvas, byId('enlarged')]) element.hidden = true;
  };
  listenToStrength((chosen) => {
    strength = chosen;
    show();
  });
  byId('save-picture').addEventListener('click', () => {
    if (!shown) return;
    const name = nameAt(shown.step === undefined ? 'result' : `result-${shown.step}`, strength);
    const image = byId<HTMLImageElement>('result-image');
    if (strength === 1) Object.assign(document.createElement('a'), { href: image.src, download: name }).click();
    else saveCanvas(name, canvas);
  });
  return (next, picked) => {
    [run, shown] = [next, picked];
    show();
  };
}

/** How the picture is made as a file of the run, once its result is what is shown. */
function showCommand(run: Snapshot | undefined, shown: Shown | undefined, strength: number): void {
  const command = run?.state.status === 'finished' && strength !== 1 ? run.about.strength : undefined;
  const newest = run?.pictures.find(({ name }) => name === PICTURES.result);
  const isResult = newest !== undefined && shown?.path === picturePath(newest);
  byId('strength-command-row').hidden = !command || !isResult;
  setText(byId('strength-command'), command?.replace('STRENGTH', String(strength)) ?? '');
}
