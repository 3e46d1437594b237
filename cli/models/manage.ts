/** The work of `splice-gpu models`: lists the models, and keeps some in the cache. */
import { stat } from 'node:fs/promises';
import { UsageError } from '../shared/errors.js';
import type { Io } from '../shared/progress.js';
import { table } from '../shared/table.js';
import { addModel, getModel, type GetOptions } from './get.js';
import { fetchable, findKnown, knownModels, shipped, type KnownModel } from './known.js';
import { findStored, modelsFolder, removeStored, storedModels, verifyStored, weightsPath, type StoredModel } from './store.js';
import { checksums, replaceIt } from './trust.js';

/** A line of `models list`. */
interface ListedModel extends Pick<KnownModel, 'name' | 'what' | 'license'>, Pick<StoredModel, 'bytes' | 'from'> {
  /** Whether `bytes` is exact. */
  readonly exact: boolean;
  readonly state: 'ships' | 'cached' | 'not here';
  readonly path?: string;
  /** Of the file in the cache, or else the one that is expected. */
  readonly sha256?: string;
  readonly trust?: StoredModel['trust'];
  /** How the checksum is known. */
  readonly checksum: string;
}

const expectedChecksum = ({ sha256, isPublished }: KnownModel): string =>
  (sha256 ? checksums[isPublished ? 'published' : 'reported'] : 'not known: the first file is trusted and remembered');

/** Shipped, fetchable and added models, in this order. */
export async function listModels(json: boolean, { stdout }: Io): Promise<void> {
  const stored = await storedModels();
  const models: ListedModel[] = [];
  for (const { name, path } of shipped) {
    const size = { bytes: (await stat(path)).size, exact: true };
    const facts = { what: 'part of splice-gpu', license: 'MIT', from: 'splice-gpu', checksum: 'comes with splice-gpu' };
    models.push({ name, ...facts, ...size, state: 'ships', path });
  }
  for (const known of fetchable) {
    const { name, what, license, url, megabytes, bytes, sha256 } = known;
    const here = stored.find((model) => model.name === name);
    const size = { bytes: bytes ?? megabytes * 1e6, exact: bytes !== undefined };
    const checksum = expectedChecksum(known);
    const missing = { ...size, from: url, state: 'not here', checksum, ...(sha256 && { sha256 }) } as const;
    models.push({ name, what, license, ...(here ? cached(here) : missing) });
  }
  const added = stored.filter(({ name }) => !findKnown(name));
  models.push(...added.map((here) => ({ name: here.name, what: 'added', license: '', ...cached(here) })));
  const folder = modelsFolder();
  stdout.write(json ? `${JSON.stringify({ folder, models })}\n` : `${listing(models)}\ncache: ${folder}\n`);
}

function cached(model: StoredModel) {
  const { bytes, from, sha256, trust } = model;
  const facts = { bytes, exact: true, from, path: weightsPath(model), sha256, trust };
  return { ...facts, state: 'cached', checksum: checksums[trust] } as const;
}

const listing = (models: readonly ListedModel[]): string => table([
  ['name', 'size', 'state', 'license', 'what', 'SHA-256', 'source'],
  ...models.map(({ name, what, bytes, exact, license, from, state, trust, checksum }) => {
    const size = exact ? `${(bytes / 1e6).toFixed(1)} MB` : `~${(bytes / 1e6).toFixed(0)} MB`;
    return [name, size, trust ? `${state} (${trust})` : state, license || '-', what, checksum, from];
  }),
], false);

export interface GetCommand extends Pick<GetOptions, 'mirror' | 'trust'> {
  readonly names: readonly string[];
}

/** Fetches models that are not in the cache and prints their paths. @throws UsageError for names that cannot be fetched */
export async function getModels({ names, ...rest }: GetCommand, { interrupt, stdout, stderr }: Io): Promise<void> {
  const models = names.map((name) => {
    const model = findKnown(name);
    if (model) return model;
    const possible = fetchable.map((known) => known.name).join(', ');
    const remedy = `add a file of your own with: splice-gpu models add FILE --name ${name}`;
    throw new UsageError(`"${name}" cannot be fetched: ${possible} can; ${remedy}`);
  });
  for (const model of models) {
    const stored = await getModel(model, { signal: interrupt, output: stderr, ...rest });
    stdout.write(`${model.name}: ${weightsPath(stored)}\n`);
  }
}

/** Copies a file into the cache. @throws UsageError when the name is that of another model, InputError when it is not a ViT */
export async function addToModels({ path, name }: { path: string; name: string }, { stdout, stderr }: Io): Promise<void> {
  if (knownModels.includes(name)) throw new UsageError(`${name} is already the name of a known model: choose another`);
  const stored = await addModel(path, name, stderr);
  stdout.write(`${name}: ${weightsPath(stored)}, SHA-256 ${stored.sha256}\n`);
}

/** Reads every file again. Returns the exit code: 1 when one is damaged. */
export async function verifyModels(names: readonly string[], { stdout }: Io): Promise<number> {
  const models = names.length > 0 ? await allStored(names) : await storedModels();
  let areGood = true;
  for (const model of models) {
    const problem = await verifyStored(model);
    areGood &&= problem === undefined;
    const good = `unchanged (SHA-256 ${model.sha256}, ${checksums[model.trust]})`;
    stdout.write(`${model.name}: ${problem ? `damaged, ${problem}: ${replaceIt(model.name)}` : good}\n`);
  }
  if (models.length === 0) stdout.write('no models in the cache\n');
  return areGood ? 0 : 1;
}

export async function removeModels(names: readonly string[], { stdout }: Io): Promise<void> {
  for (const model of await allStored(names)) {
    await removeStored(model);
    stdout.write(`${model.name}: removed\n`);
  }
}

/** @throws UsageError before anything is done when one is missing */
const allStored = (names: readonly string[]): Promise<StoredModel[]> => Promise.all(names.map(async (name) => {
  const model = await findStored(name);
  if (!model) throw new UsageError(`the cache has no model "${name}": splice-gpu models list shows what it has`);
  return model;
}));
