/** The models that can be fetched by name from their makers. */

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
}

/** https://github.com/facebookresearch/dino: the backbones, without heads. */
const dino = (name: string, what: string, file: string, megabytes: number): KnownModel => ({
  name, megabytes, license: 'Apache-2.0', what: `DINO ${what}, self-supervised on ImageNet`,
  url: `https://dl.fbaipublicfiles.com/dino/${file}/${file}.pth`,
});

/** https://github.com/openai/CLIP: whole models, of which the image tower is read. The address contains the checksum. */
const clip = (name: string, what: string, file: string, megabytes: number, sha256: string): KnownModel => ({
  name, megabytes, sha256, license: 'MIT', what: `CLIP ${what}, the image tower`,
  url: `https://openaipublic.azureedge.net/clip/models/${sha256}/${file}`,
});

export const fetchable: readonly KnownModel[] = [
  {
    ...dino('dino_vits8', 'ViT-S/8', 'dino_deitsmall8_pretrain', 87),
    bytes: 86_728_949, sha256: '55c8b267f479b614ec20858947ce361ba804846c193e20be74263a096bb6d75e',
  },
  dino('dino_vits16', 'ViT-S/16', 'dino_deitsmall16_pretrain', 87),
  dino('dino_vitb8', 'ViT-B/8, as the method was published', 'dino_vitbase8_pretrain', 343),
  dino('dino_vitb16', 'ViT-B/16', 'dino_vitbase16_pretrain', 343),
  clip('clip_vitb16', 'ViT-B/16', 'ViT-B-16.pt', 351, '5806e77cd80f8b59890b7e101eabd078d9fb84e6937f9e85e4ecb61988df416f'),
  clip('clip_vitb32', 'ViT-B/32', 'ViT-B-32.pt', 354, '40d365715913c9da98579312b702a82c18be219cc2a73407c4526f58eba950af'),
];

export const findKnown = (name: string): KnownModel | undefined => fetchable.find((model) => model.name === name);

/** The last part of a model's address. */
export const fileOf = ({ url }: KnownModel): string => url.slice(url.lastIndexOf('/') + 1);
