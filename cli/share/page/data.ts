/** What a result to send carries in its page. */

/** A PNG, JPEG or WebP as a data: address. */
type DataUrl = string;

export interface SharedPair {
  readonly title: string;
  readonly facts: readonly (readonly [name: string, value: string])[];
  readonly figures: readonly (readonly [name: string, value: string])[];
  /** SHA-256 of photos and weights, by name. */
  readonly hashes: Readonly<Record<string, string>>;
  readonly settings: object;
  readonly structure: DataUrl;
  readonly appearance: DataUrl;
  readonly result: DataUrl;
  /** Steps of the training that made the result. */
  readonly steps: number;
  /** Pictures of the training, ascending. */
  readonly previews: readonly { readonly step: number; readonly picture: DataUrl }[];
  readonly recipe: 'splice' | 'splice-transfer';
  /** Shorter side in pixels at which photos are painted. */
  readonly side: number;
  /** The generator as safetensors in base64, of float16. */
  readonly generator: string;
}
