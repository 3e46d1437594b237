/** `--until`: when a run ends before its last step, from the figures of its saves. */
import type { Glance } from '../../model/compare/pictures.js';
import type { PictureRow } from '../run/figures.js';

/** Says why the run ends here, undefined while it goes on. */
export type Until = (figures: readonly PictureRow[]) => string | undefined;

/** To the last step: the default. */
export const TO_THE_END = 'steps';

/** What counts as better, and the share by which the mean of some saves must be better than that of those before. */
const FIGURES: Readonly<Record<keyof Glance, { readonly sign: 1 | -1; readonly margin: number }>> = {
  structure: { sign: 1, margin: 0.01 },
  colour: { sign: -1, margin: 0.02 },
  sharpness: { sign: 1, margin: 0.1 },
};
const names = Object.keys(FIGURES) as (keyof Glance)[];

/** Saves whose mean is compared with that of as many before: a single picture may be lucky. */
export const PLATEAU_SAVES = 4;

/**
 * @param text `steps`, `plateau`, or figures to reach at one save, as `structure:0.7,colour:5`
 * @throws Error that states what is expected
 */
export function untilOf(text: string): Until | undefined {
  if (text === TO_THE_END) return undefined;
  if (text === 'plateau') return plateau;
  const goals = text.split(',').map((part) => {
    const [, name = '', number = ''] = /^\s*(\w+):([\d.]+)\s*$/.exec(part) ?? [];
    const [figure, value] = [names.find((known) => known === name), Number(number)];
    if (!figure || !number || !Number.isFinite(value)) {
      throw new Error(`Give ${TO_THE_END}, plateau, or figures such as sharpness:0.2 or structure:0.7,colour:5.`);
    }
    return { figure, value };
  });
  return (rows) => {
    const last = rows.at(-1);
    const isReached = last && goals.every(({ figure, value }) => FIGURES[figure].sign * (last[figure]! - value) >= 0);
    return isReached ? `reached ${goals.map(({ figure }) => `${figure} ${last[figure]!.toPrecision(3)}`).join(', ')}` : undefined;
  };
}

/** In none of the figures is the mean of the last saves better than that of as many before. */
function plateau(rows: readonly PictureRow[]): string | undefined {
  if (rows.length < 2 * PLATEAU_SAVES) return undefined;
  const mean = (name: string, from: number, end?: number): number =>
    rows.slice(from, end).reduce((sum, row) => sum + row[name]! / PLATEAU_SAVES, 0);
  const isBetter = names.some((name) => {
    const { sign, margin } = FIGURES[name];
    const [before, now] = [mean(name, -2 * PLATEAU_SAVES, -PLATEAU_SAVES), mean(name, -PLATEAU_SAVES)];
    return sign * (now - before) > margin * before;
  });
  return isBetter ? undefined : `nothing got better in ${PLATEAU_SAVES} saves`;
}
