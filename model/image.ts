/** Pictures as the models see them. */

export interface Picture<Data> {
  readonly width: number;
  readonly height: number;
  readonly data: Data;
}

/** RGB in 0..1, channel by channel: `data` is [3, height, width]. */
export type Image = Picture<Float32Array>;

/** RGB, one byte a channel, channel by channel: `data` is [3, height, width]. A thousand photos of 128 pixels are 49 MB. */
export type Bitmap = Picture<Uint8Array>;
