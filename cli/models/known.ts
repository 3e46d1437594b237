/** The names of models: those that ship, and those that can be fetched from their makers. Light, because --help lists them. */
import { join } from 'node:path';
import { packageRoot } from '../shared/files.js';

/** The fallback: it ships with the project, which trained it. */
export const DEFAULT_MODEL = 'vit_mini8';
/** Random weights, for comparison. */
export const UNTRAINED_MODEL = 'untrained';
/** `--model auto`: the best available model. */
export const AUTO_MODEL = 'auto';
/** The smallest model that the method works well with. */
export const PREFERRED_MODEL = 'dino_vits8';

/** Models of the package, with advice about results made with them. */
export const shipped = Object.entries({
  [DEFAULT_MODEL]: 'is small, and learned on small pictures what a supervised ViT-Tiny sees, which is not what DINO sees',
  dino_mini8: 'is tiny and was trained briefly on small pictures: it separates what looks different, but knows no objects',
  [UNTRAINED_MODEL]: 'has random weights and recognises nothing: colours and texture will move, but not object by object',
}).map(([name, text]) => ({
  name, note: `the model "${name}" ${text}. For real results: --model ${PREFERRED_MODEL}`,
  path: join(packageRoot, `model/weights/${name}.safetensors`),
}));

export interface KnownModel {
  readonly name: string;
  readonly what: string;
  readonly url: string;
  readonly license: string;
  /** Approximate, for people. */
  readonly megabytes: number;
  /** Exact, if known. */
  readonly bytes?: number;
  /** Without it, the first file that arrives is trusted and remembered. */
  readonly sha256?: string;
  /** Whether its makers publish the checksum. Otherwise it is from one third-party record, never compared with their file. */
  readonly isPublished?: boolean;
}

/** https://github.com/facebookresearch/dino: the backbones, without heads. */
const dino = (name: string, what: string, file: string, megabytes: number): KnownModel => ({
  name, megabytes, license: 'Apache-2.0', what: `DINO ${what}, self-supervised on ImageNet`,
  url: `https://dl.fbaipublicfiles.com/dino/${file}/${file}.pth`,
});

/** https://github.com/facebookresearch/dinov2: the backbones, without heads; "reg" have four registers. */
const dino2 = (name: string, what: string, size: string, file: string, megabytes: number): KnownModel => ({
  name, megabytes, license: 'Apache-2.0', what: `DINOv2 ${what}, self-supervised on LVD-142M`,
  url: `https://dl.fbaipublicfiles.com/dinov2/dinov2_${size}/${file}_pretrain.pth`,
});

/** https://github.com/openai/CLIP: whole models, of which the image tower is read. The address contains the checksum. */
const clip = (name: string, what: string, file: string, megabytes: number, sha256: string): KnownModel => ({
  name, megabytes, sha256, isPublished: true, license: 'MIT', what: `CLIP ${what}, the image tower`,
  url: `https://openaipublic.azureedge.net/clip/models/${sha256}/${file}`,
});

export const fetchable: readonly KnownModel[] = [
  {
    ...dino('dino_vits8', 'ViT-S/8', 'dino_deitsmall8_pretrain', 87),
    bytes: 86_728_949, sha256: '55c8b267f479b614ec20858947ce361ba804846c193e20be74263a096bb6d75e',
  },
  dino('dino_vits16', 'ViT-S/16', 'dino_deitsmall16_pretrain', 87),
  dino('dino_vitb8', 'ViT-B/8, the published choice', 'dino_vitbase8_pretrain', 343),
  dino('dino_vitb16', 'ViT-B/16', 'dino_vitbase16_pretrain', 343),
  dino2('dinov2_vits14', 'ViT-S/14', 'vits14', 'dinov2_vits14', 88),
  dino2('dinov2_vits14_reg', 'ViT-S/14 with registers', 'vits14', 'dinov2_vits14_reg4', 88),
  dino2('dinov2_vitb14', 'ViT-B/14', 'vitb14', 'dinov2_vitb14', 346),
  dino2('dinov2_vitb14_reg', 'ViT-B/14 with registers', 'vitb14', 'dinov2_vitb14_reg4', 346),
  clip('clip_vitb16', 'ViT-B/16', 'ViT-B-16.pt', 351, '5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f'),
  clip('clip_vitb32', 'ViT-B/32', 'ViT-B-32.pt', 354, '40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af'),
];

/** Names that --model knows without a file: shipped, then fetched on first use. */
export const knownModels: readonly string[] = [...shipped, ...fetchable].map(({ name }) => name);

export const findKnown = (name: string): KnownModel | undefined => fetchable.find((model) => model.name === name);

/** The last part of a model's address. */
export const fileOf = ({ url }: KnownModel): string => url.slice(url.lastIndexOf('/') + 1);
