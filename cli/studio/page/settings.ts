/** The form of the page: models, sizes, and the job that it describes. */
import { byId, element } from '../../watch/page/dom.js';
import { CHOOSABLE, type Choosable } from '../../../model/training/sizes.js';
import type { Job, ModelChoice, News, OfferedModel } from './messages.js';

type OpenJob = Extract<News, { type: 'opened' }>['job'];

const SIZES = [48, 64, 96, 128, 160, 192, 256, 320, 384, 512];
/** The ViT's input in the paper. */
const MOST_VIT_SIDE = 224;
/** The choice of a size by measuring. */
const FIT = 'fit';
/** The size of the check before that. */
const CHECKED_SIZE = 64;
const OWN_FILE = 'a file of my own…';

const number = (id: string): number => byId<HTMLInputElement>(id).valueAsNumber;
const model = (): HTMLSelectElement => byId<HTMLSelectElement>('model');

export function fillForm(models: readonly OfferedModel[]): void {
  model().replaceChildren(...models.map(({ name, bytes }) =>
    element('option', { value: name, textContent: `${name} (${(bytes / 1e6).toFixed(1)} MB)` })),
  element('option', { value: '', textContent: OWN_FILE }));
  byId('size').replaceChildren(
    element('option', { value: FIT, textContent: 'to end in time', selected: true }),
    ...SIZES.map((size) => element('option', { value: String(size), textContent: `${size} pixels` })),
  );
}

/** Whether size and steps are measured at the start. */
export function isFit(): boolean {
  const fits = byId<HTMLSelectElement>('size').value === FIT;
  for (const id of ['minutes', 'steps']) {
    for (const field of document.querySelectorAll<HTMLElement>(`#${id}, [for=${id}]`)) field.hidden = fits !== (id === 'minutes');
  }
  return fits;
}

/** Undefined while a file of the user's own is not chosen. */
export function modelChoice(): ModelChoice | undefined {
  const { value: name } = model();
  byId('model-files').hidden = name !== '';
  if (name !== '') return { name };
  const files = [...(byId<HTMLInputElement>('model-file').files ?? [])];
  const sidecar = files.find((file) => file.name.endsWith('.json'));
  const file = files.find((each) => each !== sidecar);
  return file && { file, ...(sidecar && { sidecar }) };
}

/** The job that the form describes for these photos; undefined while something is missing or wrong. */
export function jobOf(photos: Partial<Pick<Job, 'structure' | 'appearance'>>): Job | undefined {
  const [chosen, fits] = [modelChoice(), isFit()];
  const { structure, appearance } = photos;
  if (!structure || !appearance || !chosen || !byId<HTMLFormElement>('settings').checkValidity()) return undefined;
  const size = fits ? CHECKED_SIZE : Number(byId<HTMLSelectElement>('size').value);
  const given = number('vit-size');
  const vitSize = Number.isNaN(given) ? Math.min(fits ? Infinity : size, MOST_VIT_SIDE) : given;
  const choose: readonly Choosable[] = Number.isNaN(given) ? CHOOSABLE : CHOOSABLE.filter((name) => name !== 'vitSize');
  return {
    structure, appearance, size, vitSize, model: chosen, ...(fits && { fit: { minutes: number('minutes'), choose } }),
    steps: number('steps'), warmStart: number('warm-start'), seed: number('seed'),
    checkpointing: byId<HTMLInputElement>('checkpointing').checked, published: byId<HTMLInputElement>('published').checked,
    detail: byId<HTMLInputElement>('detail').checked,
  };
}

/** Shows what was chosen by measuring, in place of the time. */
export function fillSizes({ size, vitSize, steps }: Pick<Job, 'size' | 'vitSize' | 'steps'>): void {
  const sizes = byId<HTMLSelectElement>('size');
  if (![...sizes.options].some(({ value }) => value === String(size))) {
    sizes.append(element('option', { value: String(size), textContent: `${size} pixels` }));
  }
  sizes.value = String(size);
  for (const [id, value] of Object.entries({ steps, 'vit-size': vitSize })) byId<HTMLInputElement>(id).value = String(value);
  isFit();
}

/** Shows the settings of a run that is open. */
export function fillIn({ warmStart, seed, checkpointing, published, ...sizes }: OpenJob): void {
  fillSizes(sizes);
  for (const [id, value] of Object.entries({ seed, 'warm-start': warmStart })) byId<HTMLInputElement>(id).value = String(value);
  for (const [id, value] of Object.entries({ checkpointing, published })) byId<HTMLInputElement>(id).checked = value;
}

/** While a run trains, nothing can be chosen. */
export function lockForm(isLocked: boolean): void {
  for (const field of document.querySelectorAll<HTMLInputElement>('#settings :is(select, input), .drop input, #example')) {
    field.disabled = isLocked;
  }
}
