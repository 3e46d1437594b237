/** The result: a slider over its previews, a picture to compare it with, its strength, and the branch that can begin at it. */
import { PICTURES, picturePath, previewPath, type Snapshot } from '../snapshot.js';
import { byId, setText } from './dom.js';
import { mixtureView, type Shown } from './mixture.js';
import { showImage } from './view.js';

/** The preview after `chosen` steps, or the newest result; undefined before there is one. */
function shownOf({ pictures, epoch }: Snapshot, chosen: number | undefined): Shown | undefined {
  if (chosen !== undefined) return { path: previewPath(epoch, chosen), step: chosen, alt: `Preview after ${chosen} steps` };
  const newest = pictures.find(({ name }) => name === PICTURES.result);
  return newest && { path: picturePath(newest), step: newest.step, alt: 'Newest result' };
}

const stepText = (step: number | undefined): string => (step === undefined ? '' : `after ${step} steps`);

/** At its end the slider follows the newest result. What is held for comparison stays until the run is another one. */
export function resultView(): (run: Snapshot) => void {
  const [slider, latest, hold] = [byId<HTMLInputElement>('previews'), byId('latest'), byId('hold')];
  const showMixture = mixtureView();
  let run: Snapshot | undefined;
  let chosen: number | undefined; // step of a preview; undefined follows the newest result
  let held: (Shown & { readonly epoch: number }) | undefined;

  const show = (): void => {
    if (!run) return;
    const { previews, epoch } = run;
    if (chosen !== undefined && !previews.includes(chosen)) chosen = undefined;
    if (held?.epoch !== epoch) held = undefined;
    byId('slider').hidden = previews.length === 0;
    const place = chosen === undefined ? previews.length : previews.indexOf(chosen);
    Object.assign(slider, { max: String(previews.length), value: String(place) });
    slider.setAttribute('aria-valuetext', chosen === undefined ? 'latest result' : `after ${chosen} steps`);
    latest.setAttribute('aria-pressed', String(chosen === undefined));
    hold.setAttribute('aria-pressed', String(held !== undefined));
    const shown = shownOf(run, chosen);
    if (shown) showImage(byId<HTMLImageElement>('result-image'), shown.path, shown.alt);
    setText(byId('result-step'), shown ? stepText(shown.step) : 'no picture yet');
    byId('held').hidden = held === undefined;
    if (held) {
      showImage(byId<HTMLImageElement>('held-image'), held.path, `Held: ${held.alt}`);
      setText(byId('held-step'), stepText(held.step));
    }
    showMixture(run, shown);
    showBranch(run, shown?.step);
  };
  slider.addEventListener('input', () => {
    chosen = run?.previews[Number(slider.value)];
    show();
  });
  latest.addEventListener('click', () => {
    chosen = undefined;
    show();
  });
  hold.addEventListener('click', () => {
    const shown = run && shownOf(run, chosen);
    held = held || !shown ? undefined : { ...shown, epoch: run!.epoch };
    show();
  });
  return (next) => {
    run = next;
    show();
  };
}

/** The command of a branch that begins after the step shown, if its checkpoint is there. */
function showBranch({ about, branches }: Snapshot, step: number | undefined): void {
  const isPossible = about.branch !== undefined && step !== undefined && branches.includes(step);
  byId('branch').hidden = !isPossible;
  if (isPossible) setText(byId('branch-command'), about.branch.replace('@STEP', `@${step}`));
}
