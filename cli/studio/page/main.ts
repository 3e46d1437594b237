/** The page of the studio: photos and settings in, orders to the worker, and what the worker tells drawn. */
import type { StepLosses } from '../../../model/training/run.js';
import { brushed, forgetLabels, listenToBrushes, prepareBrush, showBrushed } from '../../watch/page/brush.js';
import { createChart } from '../../watch/page/chart.js';
import { byId, setText } from '../../watch/page/dom.js';
import { onFile } from '../../watch/page/drop.js';
import { saveFile } from '../../watch/page/save.js';
import { duration, speed } from '../../watch/page/texts.js';
import { thinned } from '../../watch/page/thin.js';
import type { LossRow } from '../../watch/snapshot.js';
import type { Fitted, News, OfferedModel, Order } from './messages.js';
import { fillForm, fillIn, fillSizes, isFit, jobOf, lockForm, modelChoice } from './settings.js';
import { drawInto, listenToMixture, listenToSplit, savePicture, showDrop, showPixels, showResult } from './view.js';

const NO_WEBGPU = 'This browser offers no WebGPU here, and without it nothing can be trained: open the page in a current Chrome, '
  + 'Edge, Firefox or Safari, by https or from this machine.';

const worker = new Worker('worker.js', { type: 'module' });
const photos: { structure?: Blob; appearance?: Blob } = {};
const showCurves = createChart();
let rows: readonly LossRow[] = [];
let terms: readonly string[] = [];
let isRunning = false;
let isRefused = false;
let secondsAStep: number | undefined;
/** Steps done of a run that can go on: the form's job otherwise begins a new one. */
let opened: number | undefined;

const order = (sent: Order): void => worker.postMessage(sent);
const button = (id: string): HTMLButtonElement => byId<HTMLButtonElement>(id);

function say(text: string | undefined, kind: 'good' | 'bad' = 'good'): void {
  const banner = byId('banner');
  banner.hidden = text === undefined;
  banner.dataset['kind'] = kind;
  setText(banner, text ?? '');
}

function status(state: string, text = state): void {
  byId('status').dataset['status'] = state;
  setText(byId('status'), text);
}

function showButtons(): void {
  const job = jobOf(photos);
  button('start').disabled = isRunning || isRefused || (!job && opened === undefined);
  button('measure').disabled = isRunning || isRefused || !job || isFit();
  setText(button('start'), opened === undefined ? 'Train' : 'Go on');
  button('save-run').disabled = opened === undefined && !isRunning;
  button('pause').disabled = !isRunning;
  button('stop').disabled = !isRunning;
  lockForm(isRunning);
  button('open-run').disabled = isRunning;
}

/** Asks for the plan of what is chosen now. */
function changed(): void {
  opened = undefined;
  secondsAStep = undefined;
  isRefused = false;
  const job = jobOf(photos);
  showButtons();
  if (!job || isRunning) return;
  plan('planning …');
  order({ type: 'ask', job });
}

function plan(text: string, isRefusal = false): void {
  byId('plan').className = isRefusal ? 'refused' : '';
  setText(byId('plan'), text);
}

let planned = '';

function showPlan({ memory, device, refusal }: Extract<News, { type: 'plan' }>): void {
  isRefused = refusal !== undefined;
  planned = [device, memory].filter(Boolean).join('; ');
  if (refusal === undefined) showTime();
  else plan(refusal, true);
  showButtons();
}

function showTime(): void {
  const job = jobOf(photos);
  if (job?.fit) {
    const [device] = planned.split(';');
    return plan(`${device}; size and steps will be measured to end in ${duration(60 * job.fit.minutes)}`);
  }
  const time = secondsAStep === undefined || !job ? '' : `; ${speed(1 / secondsAStep)}, `
    + `${duration(secondsAStep * (job.steps + job.warmStart))} in all`;
  plan(planned + time);
}

function showFitted({ secondsPerStep, ...sizes }: Fitted): void {
  fillSizes(sizes);
  if (!Number.isNaN(secondsPerStep)) secondsAStep = secondsPerStep;
  const { size, vitSize, steps } = sizes;
  say(`Measured: ${size} pixels, a ViT's input of ${vitSize} and ${steps} steps end in time on this device.`);
}

function sendBrushed(): void {
  const now = brushed();
  if (now) order({ type: 'brush', brushed: now });
}

function choose(which: 'structure' | 'appearance', file: Blob): void {
  if (isRunning) return;
  photos[which] = file;
  forgetLabels(which);
  void showDrop(which, file).then((canvas) => {
    if (canvas) prepareBrush(which, canvas);
    sendBrushed();
  });
  say(undefined);
  changed();
}

function listenToPhotos(): void {
  for (const which of ['structure', 'appearance'] as const) onFile(byId(which), (file) => choose(which, file));
  button('example').addEventListener('click', async () => {
    const example = (path: string): Promise<Blob> => fetch(path).then((response) => response.blob());
    try {
      const [valley, peaks] = [await example('valley.png'), await example('peaks.png')];
      choose('structure', valley);
      choose('appearance', peaks);
    } catch {
      say("The example cannot be fetched: is the page's server gone?", 'bad');
    }
  });
}

function begin(sent: Order): void {
  isRunning = true;
  if (sent.type === 'start') rows = [];
  say(undefined);
  status('running', 'starting');
  showButtons();
  order(sent);
}

/** A run of this browser or of a file is there, to be looked at and to go on. */
function showOpened({ job, done, brushed: painted }: Extract<News, { type: 'opened' }>): void {
  [rows, opened] = [[], done];
  fillIn(job);
  showBrushed(painted);
  const all = job.steps + job.warmStart;
  status('stopped', `${done} of ${all} steps`);
  say(done < all ? 'This run can go on. With other photos or settings a new one begins.'
    : 'This run is finished. With more steps it goes on.');
  Object.assign(byId<HTMLProgressElement>('progress'), { max: all, value: done });
  setText(byId('step'), `${done} / ${all}`);
}

function showBusy(what: string | undefined): void {
  const { value, max } = byId<HTMLProgressElement>('progress');
  if (what === undefined) status('stopped', `${value} of ${max} steps`);
  else status('running', what);
}

function over(state: string, text?: string): void {
  isRunning = false;
  if (state !== 'failed') opened = byId<HTMLProgressElement>('progress').value;
  status(state, text);
  setText(byId('left'), '–');
  setText(button('pause'), 'Pause');
  showButtons();
}

function listenToButtons(): void {
  byId('settings').addEventListener('submit', (event) => {
    event.preventDefault();
    const job = jobOf(photos);
    if (isRunning) return;
    if (opened !== undefined) begin({ type: 'goOn', steps: byId<HTMLInputElement>('steps').valueAsNumber });
    else if (job) begin({ type: 'start', job });
  });
  byId('settings').addEventListener('change', ({ target }) => {
    // A run takes more steps, and nothing else, after its beginning.
    if (opened === undefined || (target as HTMLElement).id !== 'steps') changed();
  });
  button('save-run').addEventListener('click', () => order({ type: 'pack' }));
  const runFile = byId<HTMLInputElement>('run-file');
  button('open-run').addEventListener('click', () => runFile.click());
  runFile.addEventListener('change', () => {
    const [file, model] = [runFile.files?.[0], modelChoice()];
    runFile.value = '';
    if (file) order({ type: 'open', file, ...(model && { model }) });
  });
  button('measure').addEventListener('click', () => {
    const job = jobOf(photos);
    if (!job) return;
    button('measure').disabled = true;
    plan(`${planned}; measuring …`);
    order({ type: 'measure', job });
  });
  button('pause').addEventListener('click', () => {
    const isPaused = byId('status').dataset['status'] === 'paused';
    order({ type: isPaused ? 'resume' : 'pause' });
  });
  const dialog = byId<HTMLDialogElement>('stop-dialog');
  button('stop').addEventListener('click', () => {
    dialog.returnValue = '';
    dialog.showModal();
  });
  dialog.addEventListener('close', () => {
    if (dialog.returnValue !== 'stop') return;
    status('stopping');
    order({ type: 'stop' });
  });
  button('save-picture').addEventListener('click', savePicture);
}

function addLosses({ step, ...values }: StepLosses): void {
  terms = ['total', ...Object.keys(values).filter((name) => name !== 'total')];
  const row: LossRow = [step, ...terms.map((term) => (Number.isFinite(values[term]) ? values[term]! : null))];
  rows = thinned([...rows, row]);
  showCurves(terms, rows);
}

function showStep({ done, total, phase, speed: rate }: Extract<News, { type: 'step' }>): void {
  Object.assign(byId<HTMLProgressElement>('progress'), { max: total, value: done });
  setText(byId('step'), `${done} / ${total}`);
  setText(byId('phase'), phase);
  setText(byId('speed'), rate === undefined ? '–' : speed(rate));
  setText(byId('left'), rate === undefined ? '–' : duration((total - done) / rate));
  document.title = `${Math.floor((100 * done) / total)} % · splice-gpu studio`;
  if (byId('status').textContent === 'compiling') status('running');
}

function hear(news: News): void {
  if (news.type === 'plan') showPlan(news);
  else if (news.type === 'measured') {
    secondsAStep = news.seconds;
    showTime();
    showButtons();
  } else if (news.type === 'fitted') showFitted(news.found);
  else if (news.type === 'busy') showBusy(news.what);
  else if (news.type === 'photos') {
    drawInto(byId<HTMLCanvasElement>('before'), news.structure);
    for (const which of ['structure', 'appearance'] as const) {
      showPixels(which, news[which]);
      prepareBrush(which, news[which]);
    }
  } else if (news.type === 'opened') showOpened(news);
  else if (news.type === 'file') saveFile('run.zip', new Blob([news.bytes], { type: 'application/zip' }));
  else if (news.type === 'step') showStep(news);
  else if (news.type === 'losses') addLosses(news.entry);
  else if (news.type === 'picture') {
    showResult(news.picture, news.step, news.photo);
    button('save-picture').disabled = false;
  } else if (news.type === 'note') say(news.text);
  else if (news.type === 'failed') {
    say(news.text, 'bad');
    over('failed');
  } else if (news.status === 'finished' || news.status === 'stopped') over(news.status);
  else {
    status(news.status);
    setText(button('pause'), news.status === 'paused' ? 'Continue' : 'Pause');
  }
}

async function open(): Promise<void> {
  if (!('gpu' in navigator)) {
    status('failed', 'no WebGPU');
    lockForm(true);
    return say(NO_WEBGPU, 'bad');
  }
  worker.addEventListener('message', ({ data }: MessageEvent<News>) => hear(data));
  worker.addEventListener('error', ({ message }) => hear({ type: 'failed', text: `${message}: reload the page` }));
  listenToPhotos();
  listenToButtons();
  listenToSplit();
  listenToMixture();
  listenToBrushes(sendBrushed);
  fillForm((await (await fetch('models.json')).json()) as OfferedModel[]);
  showButtons();
  order({ type: 'open' });
}

void open();
