/** The work of `splice-gpu share`: a pair as one file, with its pictures, figures and generator, that opens in any browser. */
import { createHash } from 'node:crypto';
import { join, resolve } from 'node:path';
import sharp from 'sharp';
import { serializeSafetensors } from '../../model/files/safetensors.js';
import { encodeImage, readPhoto, shorterSide, type Photo } from '../photos/photo.js';
import { aboutRun, numberOf, textOf } from '../run/about.js';
import { readConfigOf, type Fields } from '../run/config.js';
import { previewsIn } from '../run/folder.js';
import { InputError, UsageError } from '../shared/errors.js';
import { exists, packageRoot, readJson, writeFileAtomic } from '../shared/files.js';
import type { Io } from '../shared/progress.js';
import { photoOf, readGenerator } from '../study/pairGenerator.js';
import { commonFiles, pageScript, readAsset } from '../watch/assets.js';
import type { SharedPair } from './page/data.js';

export interface ShareOptions {
  /** Folder of a transfer. */
  readonly run: string;
  readonly out: string;
  readonly force: boolean;
  readonly json: boolean;
}

/** What a mail or a chat takes. */
const MOST_BYTES = 6e6;
/** Sides of the pictures, from the wanted one to the smallest that is tried to keep to the limit. */
const SIDES = [1024, 768, 512, 384];
const PREVIEW_SHARE = 0.5;
const MOST_PREVIEWS = 16;
const QUALITY = 88;

/** Figures of report.json that the page shows. */
const FIGURES = ['structure', 'colour', 'patches', 'sharpness', 'cls'] as const;

/** Writes the page. Returns the exit code. @throws InputError or UsageError with the remedy, before anything is written */
export async function share({ run, out, force, json }: ShareOptions, { stdout }: Io): Promise<number> {
  if (!force && (await exists(out))) {
    throw new UsageError(`${out} exists already: choose another --out, or --force to replace it`);
  }
  const config = await readConfigOf('transfer', run);
  const pair = await collect(run, config);
  let [page, bytes] = ['', Infinity];
  for (const side of SIDES) {
    page = await fill(await pair(side));
    bytes = Buffer.byteLength(page);
    if (bytes <= MOST_BYTES) break;
  }
  if (bytes > MOST_BYTES) throw new InputError(`${run} needs ${mb(bytes)}, a page to send has at most ${mb(MOST_BYTES)}`);
  await writeFileAtomic(out, page);
  stdout.write(json ? `${JSON.stringify({ out: resolve(out), bytes })}\n` : `${out} (${mb(bytes)})\n`);
  return 0;
}

const mb = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

/** Reads a run; the returned function makes what the page carries, with pictures of a shorter side. */
async function collect(run: string, config: Fields): Promise<(side: number) => Promise<SharedPair>> {
  const { recipe, side: trained, weights, generator, sha256 } = await readGenerator(run);
  const [structure, appearance] = [await photo(run, 'structure'), await photo(run, 'appearance')];
  const result = await readPhoto(join(run, 'result.png'));
  const all = (await previewsIn(run)).sort((a, b) => a.steps - b.steps);
  const every = Math.max(1, Math.ceil(all.length / MOST_PREVIEWS));
  const previews = all.filter((_, i) => (all.length - 1 - i) % every === 0);
  const { title, facts } = aboutRun(config, run, []);
  const names = generator.parameters.map(({ name }) => name);
  const own = new Map([...weights].filter(([name]) => names.includes(name)));
  const report = (await readJson(join(run, 'report.json')))?.['result'] as Fields | undefined;
  const { seeds: _, ...settings } = config['options'] as Fields; // it may name a file of this machine
  return async (side) => ({
    title,
    // A path of the machine that it was made on is nobody's business.
    facts: facts.filter(([name]) => name !== 'Folder'),
    figures: FIGURES.flatMap((name) => {
      const value = numberOf(report ?? {}, name);
      return value === undefined ? [] : [[name, value.toPrecision(3)] as const];
    }),
    hashes: {
      'structure photo': structure.sha256, 'appearance photo': appearance.sha256,
      ViT: textOf(config, 'model', 'sha256') ?? 'unknown', generator: sha256, result: result.sha256,
    },
    settings,
    structure: await webp(structure, side), appearance: await webp(appearance, side), result: await webp(result, side),
    steps: numberOf(config, 'stepsDone') ?? 0,
    previews: await Promise.all(previews.map(async ({ steps: step, path }) =>
      ({ step, picture: await webp(await readPhoto(path), PREVIEW_SHARE * side) }))),
    recipe,
    side: trained ?? shorterSide(result.image),
    generator: Buffer.from(serializeSafetensors(own, {}, 'F16')).toString('base64'),
  });
}

/** @throws InputError when a photo is not where it was, or is another one */
async function photo(run: string, which: 'structure' | 'appearance'): Promise<Photo> {
  const found = await photoOf(run, which, {});
  if (found) return found;
  throw new InputError(`the ${which} photo of ${run} is not where config.json says, or is another one: put it back there`);
}

async function webp({ image }: Photo, side: number): Promise<string> {
  const whole = sharp(encodeImage(image));
  const small = shorterSide(image) > side
    ? whole.resize(image.width < image.height ? { width: Math.round(side) } : { height: Math.round(side) }) : whole;
  return `data:image/webp;base64,${(await small.webp({ quality: QUALITY }).toBuffer()).toString('base64')}`;
}

const own = (name: string): string => join(packageRoot, 'cli/share/page', name);

/** The page with everything in it, which may load nothing and run nothing else. */
async function fill(pair: SharedPair): Promise<string> {
  const read = async (path: string): Promise<string> => String((await readAsset(path, path)).body);
  const style = `${await read(commonFiles.get('page.css')!)}${await read(own('share.css'))}`;
  const script = (await read(pageScript('share'))).replaceAll('</script', '<\\/script');
  const hashOf = (text: string): string => `'sha256-${createHash('sha256').update(text).digest('base64')}'`;
  const parts: Readonly<Record<string, string>> = {
    title: pair.title.replace(/[&<>]/g, (letter) => `&#${letter.charCodeAt(0)};`),
    style, script,
    sources: `script-src ${hashOf(script)}; style-src ${hashOf(style)}`,
    data: JSON.stringify(pair).replaceAll('<', '\\u003c'),
  };
  return (await read(own('index.html'))).replace(/<!-- (\w+) -->/g, (_, name: string) => parts[name]!);
}
