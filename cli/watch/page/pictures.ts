/** Pictures by address, fetched once and kept: they can no longer be fetched when the run's process has ended. */

/** Limit of the kept bytes, some hundred previews of a large photo; the oldest are removed first. */
const MOST_BYTES = 400e6;

const kept = new Map<string, { readonly url: Promise<string>; bytes: number }>();

/** A permanent address for the picture at `path` on the server. @throws what fetching threw */
export function picture(path: string): Promise<string> {
  const known = kept.get(path);
  if (known) return known.url;
  const entry = { url: fetchPicture(path), bytes: 0 };
  kept.set(path, entry);
  entry.url.catch(() => kept.delete(path));
  return entry.url;
}

/** The picture at `path`, decoded. @throws what fetching threw */
export async function loadImage(path: string): Promise<HTMLImageElement> {
  const image = Object.assign(new Image(), { src: await picture(path) });
  await image.decode();
  return image;
}

async function fetchPicture(path: string): Promise<string> {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path}: ${response.status}`);
  const blob = await response.blob();
  const entry = kept.get(path);
  if (entry) entry.bytes = blob.size;
  forgetOldest();
  return URL.createObjectURL(blob);
}

function forgetOldest(): void {
  let total = [...kept.values()].reduce((sum, { bytes }) => sum + bytes, 0);
  for (const [path, { bytes }] of kept) {
    if (total <= MOST_BYTES) return;
    total -= bytes;
    forget(path);
  }
}

/** Releases the memory of a picture that is no longer shown. */
export function forget(path: string): void {
  kept.get(path)?.url.then(URL.revokeObjectURL, () => undefined);
  kept.delete(path);
}

/** Waits until all requested pictures have arrived or failed. */
export const allFetched = (): Promise<unknown> => Promise.allSettled([...kept.values()].map(({ url }) => url));
