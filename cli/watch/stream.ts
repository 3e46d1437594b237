/** Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html */
import type { ServerResponse } from 'node:http';
import type { Feed } from './feed.js';
import type { FeedEvent } from './snapshot.js';

/** Browsers reconnect after this time. */
const RETRY_MS = 1000;
/** Shows that the process is alive while there is no news. */
const BEAT_MS = 5000;

/** An event in the format of the stream. */
export const eventText = (type: string, data: unknown): string => `event: ${type}\ndata: ${JSON.stringify(data)}\n\n`;

/**
 * Sends `feed` until either side ends: first everything, so that a browser that reconnects has missed nothing, then every change.
 * A slow reader does not get the changes in between, but everything again once it has caught up.
 */
export function sendFeed(feed: Feed, response: ServerResponse): { end(): void } {
  let full = false;
  let missed = false;
  const write = (text: string): void => {
    full = !response.write(text);
  };
  const send = (event: FeedEvent): void => {
    if (full) missed = true;
    else write(eventText(event.type, event.data));
  };
  const all = () => write(eventText('all', feed.snapshot()));

  response.on('drain', () => {
    full = false;
    if (missed) all();
    missed = false;
  });
  write(`retry: ${RETRY_MS}\n\n`);
  all();
  const leave = feed.subscribe(send);
  const beat = setInterval(() => {
    if (!full) write(eventText('beat', null));
  }, BEAT_MS);
  beat.unref();
  response.on('close', () => {
    clearInterval(beat);
    leave();
  });
  // Even a slow reader gets the end of the run.
  return { end: () => void response.write(eventText('all', feed.snapshot()) + eventText('bye', null)) };
}
