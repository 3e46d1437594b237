/** The ViTs of the page: those that come with it, by their checksums, and files of the user's own. Runs in a worker. */
import { openCheckpoint, parseSidecar, vitFromStored, type VitModel, type VitSettings } from '../../../model/index.js';
import type { ModelChoice, OfferedModel } from './messages.js';

/** A ViT, and the SHA-256 of its file. */
export interface Loaded {
  readonly vit: VitModel;
  readonly sha256: string;
}

/** Of the parts together. */
export async function sha256(...parts: readonly BlobPart[]): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', await new Blob([...parts]).arrayBuffer()));
  return [...digest].map((byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** @param settings in place of the sidecar's @throws Error naming the model, what is wrong and the remedy */
export async function loadModel(choice: ModelChoice, settings?: VitSettings): Promise<Loaded> {
  if ('name' in choice) return loadOffered(choice.name, settings);
  const { file, sidecar } = choice;
  const bytes = new Uint8Array(await file.arrayBuffer());
  const own = settings ?? (sidecar ? parseSidecar(JSON.parse(await sidecar.text())) : {});
  const name = file.name.replace(/\.(safetensors|pth|pt|bin|ckpt)$/, '');
  return { vit: vitFromStored(name, openCheckpoint(bytes), own), sha256: await sha256(bytes) };
}

export const offeredModels = async (): Promise<readonly OfferedModel[]> =>
  (await fetched('models.json')).json() as Promise<readonly OfferedModel[]>;

async function loadOffered(name: string, settings?: VitSettings): Promise<Loaded> {
  const model = (await offeredModels()).find((each) => each.name === name);
  if (!model) throw new Error(`this page has no model ${name}: choose another one, or a file`);
  const bytes = new Uint8Array(await (await fetched(model.file)).arrayBuffer());
  const found = await sha256(bytes);
  if (found !== model.sha256) throw new Error(`${model.file} is damaged (SHA-256 ${found}): reload the page`);
  const vit = vitFromStored(name, openCheckpoint(bytes), settings ?? parseSidecar(model.settings));
  return { vit, sha256: found };
}

async function fetched(path: string): Promise<Response> {
  const response = await fetch(path).catch(() => undefined);
  if (response?.ok) return response;
  throw new Error(`${path} cannot be fetched${response ? ` (${response.status})` : ''}: is the page's server gone?`);
}
