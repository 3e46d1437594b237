/** Curves of bounded length. */

/** A row of a curve: its step, and values of which the first is the one to watch; null for one that is not finite. */
type Row = readonly [step: number, ...values: (number | null)[]];

/** More than a screen has columns. */
const MOST_BUCKETS = 2000;
/** Rows that `thinned` keeps at most: two of a bucket, the first and the last. */
export const MOST_ROWS = 2 * MOST_BUCKETS + 2;

/**
 * The rows of a curve, ascending by step, without those that cannot be seen. Of each 2^k steps the lowest and the highest stay,
 * so that no peak is lost, and so do the first of all and the last. k is the smallest that leaves MOST_ROWS or less. Thinned rows
 * may be thinned again with more rows: that gives what all rows at once would give.
 */
export function thinned<R extends Row>(rows: readonly R[]): readonly R[] {
  if (rows.length <= MOST_BUCKETS) return rows;
  let span = 1;
  while ((rows.at(-1)![0] + 1) / span > MOST_BUCKETS) span *= 2;
  const kept: R[] = [rows[0]!];
  const keep = (row: R): void => void (row[0] > kept.at(-1)![0] && kept.push(row));
  let [low, high] = [rows[0]!, rows[0]!];
  const close = (): void => [low, high].sort((a, b) => a[0] - b[0]).forEach(keep);
  for (const row of rows) {
    if (Math.floor(row[0] / span) !== Math.floor(low[0] / span)) {
      close();
      [low, high] = [row, row];
    }
    if ((row[1] ?? 0) < (low[1] ?? 0)) low = row;
    if ((row[1] ?? 0) > (high[1] ?? 0)) high = row;
  }
  close();
  keep(rows.at(-1)!);
  return kept;
}

/** Rows that `halved` keeps at most: more than the curve of a saved picture's figures has columns. */
export const MOST_FIGURES = 400;

/** Rows of several curves: every second one and the newest, until there are few enough. */
export const halved = <R>(rows: readonly R[]): readonly R[] =>
  rows.length <= MOST_FIGURES ? rows : halved(rows.filter((_, i) => i % 2 === 0 || i === rows.length - 1));
