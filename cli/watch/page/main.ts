/** The page of a run: follows its events, draws them, and sends the commands of the buttons. */
import { isOver, type CommandName } from '../snapshot.js';
import { createChart } from './chart.js';
import { command, hasCommands } from './commands.js';
import { byId, setText } from './dom.js';
import { createMeasures } from './measures.js';
import { allFetched } from './pictures.js';
import { resultView } from './result.js';
import { createRegions } from './regions.js';
import { follow, type Model } from './stream.js';
import { keepPictures, keepPreviews, showFigures, showHeader, showInputs } from './view.js';

const showResult = resultView();
const showCurves = createChart();
const showMeasures = createMeasures();
const showRegions = createRegions();
let model: Model = { connection: 'connecting' };
let frame = 0;

/** Events can come in bursts; the page is drawn at most once a frame. */
function show(next: Model): void {
  model = next;
  frame ||= requestAnimationFrame(draw);
}

function draw(): void {
  frame = 0;
  showHeader(model);
  showButtons(model);
  if (!model.run) return;
  showFigures(model);
  showInputs(model.run.pictures);
  showRegions(model.run, hasCommands && model.connection === 'live');
  showResult(model.run);
  showCurves(model.run.about.terms, model.run.losses);
  showMeasures(model.run.figures);
  keepPreviews(model.run);
}

function showButtons({ connection, run }: Model): void {
  const status = run?.state.status ?? 'starting';
  byId('buttons').hidden = !hasCommands || isOver(status) || connection === 'closed';
  setText(byId('pause'), status === 'paused' ? 'Continue' : 'Pause');
  const ready = connection === 'live' && (status === 'running' || status === 'paused');
  for (const id of ['pause', 'save', 'stop']) byId<HTMLButtonElement>(id).disabled = !ready;
}

/** Sends a command; a refusal is shown in place of the status. */
const send = (name: CommandName): Promise<void> =>
  command(name).catch((error: Error) => setText(byId('status'), error.message));

function listen(): void {
  const dialog = byId<HTMLDialogElement>('stop-dialog');
  byId('pause').addEventListener('click', () => void send(model.run?.state.status === 'paused' ? 'resume' : 'pause'));
  byId('save').addEventListener('click', () => void send('save'));
  byId('stop').addEventListener('click', () => {
    dialog.returnValue = '';
    dialog.showModal();
  });
  dialog.addEventListener('close', () => {
    if (dialog.returnValue === 'stop') void send('stop');
  });
}

listen();
follow(show, async () => {
  if (frame) cancelAnimationFrame(frame);
  draw(); // a page in the background draws no frames, and this is the last chance to fetch pictures
  if (model.run) keepPictures(model.run);
  await allFetched();
});
