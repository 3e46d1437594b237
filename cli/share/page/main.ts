/** A result to send: before and after, the way there, its figures, and its generator for other photos. */
import { drawInto, listenToSplit } from '../../studio/page/view.js';
import { byId, element, setText } from '../../watch/page/dom.js';
import { onFile } from '../../watch/page/drop.js';
import { saveCanvas } from '../../watch/page/save.js';
import type { SharedPair } from './data.js';
import { openPainter } from './painter.js';

const pair = JSON.parse(byId('data').textContent) as SharedPair;
const [camera, painted] = [byId('camera'), byId<HTMLCanvasElement>('painted')];

function showPair(): void {
  const after = byId<HTMLImageElement>('after');
  after.addEventListener('load', () => {
    byId('result').style.setProperty('--ratio', String(after.naturalWidth / Math.max(1, after.naturalHeight)));
  });
  byId<HTMLImageElement>('before').src = pair.structure;
  byId<HTMLImageElement>('appearance').src = pair.appearance;
  for (const [id, rows] of [['facts', pair.facts], ['figures', pair.figures], ['hashes', Object.entries(pair.hashes)]] as const) {
    byId(id).append(...rows.flatMap(([name, value]) =>
      [element('dt', { textContent: name }), element('dd', { textContent: value })]));
  }
  setText(byId('settings'), JSON.stringify(pair.settings, null, 1));
}

/** The slider over the pictures of the training, at whose end the result is. */
function listenToTimeline(): void {
  const previews = byId<HTMLInputElement>('previews');
  const shown = [...pair.previews, { step: pair.steps, picture: pair.result }];
  const show = (): void => {
    const { step, picture } = shown[Number(previews.value)]!;
    byId<HTMLImageElement>('after').src = picture;
    setText(byId('result-step'), `after ${step} steps`);
    previews.setAttribute('aria-valuetext', `after ${step} steps`);
  };
  byId('timeline').hidden = shown.length < 2;
  Object.assign(previews, { max: String(shown.length - 1), value: String(shown.length - 1) });
  previews.addEventListener('input', show);
  show();
}

function tell(text: string, isBad = false): void {
  byId('state').classList.toggle('bad', isBad);
  setText(byId('state'), text);
}

/** Paints a photo into the page. Returns whether that worked; a failure is told. */
async function paint(photo: Blob | ImageBitmap): Promise<boolean> {
  try {
    drawInto(painted, await (await openPainter(pair))(photo));
    byId<HTMLButtonElement>('save').disabled = false;
    return true;
  } catch (error) {
    tell((error as Error).message, true);
    return false;
  }
}

async function paintFile(photo: Blob): Promise<void> {
  stopCamera();
  tell('painting …');
  if (await paint(photo)) tell('');
}

let stream: MediaStream | undefined;

function stopCamera(): void {
  stream?.getTracks().forEach((track) => track.stop());
  stream = undefined;
  camera.setAttribute('aria-pressed', 'false');
}

/** Paints what the camera sees, one picture after the other, until it is stopped. */
async function startCamera(): Promise<void> {
  const video = document.createElement('video');
  try {
    stream = await navigator.mediaDevices.getUserMedia({ video: { width: { ideal: 640 } } });
    Object.assign(video, { srcObject: stream, muted: true, playsInline: true });
    await video.play();
  } catch (error) {
    stopCamera();
    return tell(`no camera: ${(error as Error).message}`, true);
  }
  camera.setAttribute('aria-pressed', 'true');
  tell('');
  while (stream?.active && (await paint(await createImageBitmap(video)))) await new Promise(requestAnimationFrame);
  stopCamera();
}

function listen(): void {
  onFile(byId('drop'), (photo) => void paintFile(photo));
  camera.addEventListener('click', () => void (stream ? stopCamera() : startCamera()));
  byId('save').addEventListener('click', () => saveCanvas('painted.png', painted));
  if (!navigator.mediaDevices) camera.hidden = true;
}

showPair();
listenToSplit();
listenToTimeline();
listen();
