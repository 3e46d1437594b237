/** The connection to the run: every event goes into one model, and the model is what is drawn. */
import type { LossRow, PictureInfo, RunState, Snapshot } from '../snapshot.js';

/** `lost` tries again by itself; `closed` is for good. */
export type Connection = 'connecting' | 'live' | 'lost' | 'closed';

export interface Model {
  readonly connection: Connection;
  /** Absent until the first word of the run. */
  readonly run?: Snapshot;
}

/** No word for so long means that the process hangs, sleeps or is stopped: it would send a beat every 5 s. */
const SILENCE_MS = 20_000;

const withPicture = (run: Snapshot, picture: PictureInfo): Snapshot => {
  const known = run.pictures.some(({ name }) => name === picture.name);
  return { ...run, pictures: known ? run.pictures.map((old) => (old.name === picture.name ? picture : old)) : [...run.pictures, picture] };
};

/** How each event changes what is known. */
const changes: { readonly [type: string]: (run: Snapshot, data: never) => Snapshot } = {
  state: (run, state: RunState) => ({ ...run, state }),
  losses: (run, rows: readonly LossRow[]) => ({ ...run, losses: [...run.losses, ...rows] }),
  picture: withPicture,
  preview: (run, step: number) => ({ ...run, previews: [...run.previews, step].sort((a, b) => a - b) }),
};

/**
 * Follows the run; `show` gets the model after every change.
 * @param farewell called when the run says good-bye: the connection stays open until it is done
 */
export function follow(show: (model: Model) => void, farewell: () => Promise<void>): void {
  let model: Model = { connection: 'connecting' };
  const set = (change: Partial<Model>): void => {
    model = { ...model, ...change };
    show(model);
  };
  const source = new EventSource('events');
  let silence: ReturnType<typeof setTimeout>;
  const heard = (): void => {
    clearTimeout(silence);
    silence = setTimeout(() => set({ connection: 'lost' }), SILENCE_MS);
    if (model.connection !== 'live') set({ connection: 'live' });
  };
  const on = (type: string, act: (data: never) => void): void =>
    source.addEventListener(type, (event) => {
      heard();
      act(JSON.parse((event as MessageEvent<string>).data) as never);
    });

  on('all', (run: Snapshot) => set({ run }));
  on('beat', () => undefined);
  for (const [type, change] of Object.entries(changes)) on(type, (data) => void (model.run && set({ run: change(model.run, data) })));
  on('bye', async () => {
    clearTimeout(silence);
    await farewell();
    source.close();
    set({ connection: 'closed' });
  });
  source.addEventListener('error', () => {
    clearTimeout(silence);
    // CLOSED: something answers there, but not this run, so the browser gives up.
    set({ connection: source.readyState === EventSource.CLOSED ? 'closed' : 'lost' });
  });
}
