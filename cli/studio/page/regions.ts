/** Brushed regions at the sizes that a run is trained at. Runs in a worker. */
import type { Regions } from '../../../model/method/regions.js';
import { scaled, type Brushed } from '../../watch/page/labels.js';
import type { Prepared } from './plan.js';

/** As many as the page has colours. */
const COUNT = 3;

const isEmpty = ({ structure, appearance }: Brushed): boolean => ![structure, appearance].some(({ data }) => data.some(Boolean));

/** The run with these regions; with its own without any, and with none where nothing is painted and it has none. */
export function withRegions(prepared: Prepared, brushed: Brushed | undefined): Prepared {
  if (!brushed || (isEmpty(brushed) && !prepared.regions)) return prepared;
  const regions: Regions = {
    count: COUNT,
    structure: scaled(brushed.structure, prepared.structure), appearances: [scaled(brushed.appearance, prepared.appearance)],
  };
  return { ...prepared, regions };
}

/** Changes the regions of a run in progress, which reads them at every step. */
export function change(regions: Regions, { structure, appearance }: Brushed): void {
  regions.structure.data.set(scaled(structure, regions.structure).data);
  regions.appearances[0]!.data.set(scaled(appearance, regions.appearances[0]!).data);
}
