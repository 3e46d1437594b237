/** The connection to the run: every event changes one model, which is drawn. */
import { after, type FeedEvent, type Snapshot } from '../snapshot.js';

/** `lost` reconnects by itself; `closed` is final. */
export type Connection = 'connecting' | 'live' | 'lost' | 'closed';

export interface Model {
  readonly connection: Connection;
  /** Absent until the first event. */
  readonly run?: Snapshot;
}

/** After this silence the process hangs, sleeps or has stopped: it sends a beat every 5 s. */
const SILENCE_MS = 20_000;

/**
 * Follows the run; `show` gets the model after every change.
 * @param farewell called at the end of the run: the connection stays open until it is done
 */
export function follow(show: (model: Model) => void, farewell: () => Promise<unknown>): void {
  let model: Model = { connection: 'connecting' };
  const set = (change: Partial<Model>): void => {
    model = { ...model, ...change };
    show(model);
  };
  const source = new EventSource('events');
  let silence: ReturnType<typeof setTimeout>;
  const received = (): void => {
    clearTimeout(silence);
    silence = setTimeout(() => set({ connection: 'lost' }), SILENCE_MS);
    if (model.connection !== 'live') set({ connection: 'live' });
  };
  const on = (type: string, act: (data: never) => void): void =>
    source.addEventListener(type, (event) => {
      received();
      act(JSON.parse((event as MessageEvent<string>).data) as never);
    });

  on('all', (run: Snapshot) => set({ run }));
  on('beat', () => undefined);
  for (const type of ['state', 'losses', 'figures', 'picture', 'preview'] as const) {
    on(type, (data) => void (model.run && set({ run: after(model.run, { type, data } as FeedEvent) })));
  }
  on('bye', async () => {
    clearTimeout(silence);
    await farewell();
    source.close();
    set({ connection: 'closed' });
  });
  source.addEventListener('error', () => {
    clearTimeout(silence);
    // CLOSED: another server answers there, so the browser gives up.
    set({ connection: source.readyState === EventSource.CLOSED ? 'closed' : 'lost' });
  });
}
