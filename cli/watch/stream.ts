/** Server-sent events: https://html.spec.whatwg.org/multipage/server-sent-events.html */
import type { ServerResponse } from 'node:http';
import type { Feed, FeedEvent } from './feed.js';

/** Browsers come back after so many milliseconds. */
const RETRY_MS = 1000;
/** Shows that the process lives while nothing else happens. */
const BEAT_MS = 5000;

/** One event as it goes over the line. */
export const eventText = (type: string, data: unknown): string => `event: ${type}\ndata: ${JSON.stringify(data)}\n\n`;

/**
 * Sends `feed` until either side ends: first everything, so that a browser that comes back has missed nothing, then every change.
 * A reader that does not keep up is spared the changes in between and gets everything again when it is through.
 */
export function sendFeed(feed: Feed, response: ServerResponse): { end(): void } {
  let full = false;
  let missed = false;
  const write = (text: string): void => {
    full = !response.write(text);
  };
  const tell = (event: FeedEvent): void => {
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
  const leave = feed.subscribe(tell);
  const beat = setInterval(() => {
    if (!full) write(eventText('beat', null));
  }, BEAT_MS);
  beat.unref();
  response.on('close', () => {
    clearInterval(beat);
    leave();
  });
  // Whatever the reader missed: the last thing it hears is how it all ended.
  return { end: () => void response.write(eventText('all', feed.snapshot()) + eventText('bye', null)) };
}
