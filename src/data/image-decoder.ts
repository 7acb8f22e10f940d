/**
 * Pictures as pixels, by sharp (https://sharp.pixelplumbing.com), which is loaded when the first one is decoded: whoever has no image
 * folders need not install it. It decodes on libuv's threads, not on the event loop.
 */
import type { default as Sharp } from 'sharp';
import { OneLogitError } from '../errors.js';
import { formatError } from './format.js';

/** The pictures that sharp's own builds decode, by their names. */
export const isImageName = (name: string) => /\.(?:jpe?g|png|webp|gif|avif|tiff?)$/i.test(name);

/** An encoded picture, from wherever it is kept. */
export interface EncodedImage {
  /** What errors call it. */
  name: string;
  read(): Promise<Uint8Array>;
}

/** Height, width and channels (1: grey, 3: red, green, blue) of decoded pictures. */
export type ImageShape = [height: number, width: number, channels: number];

export interface ImageDecoder {
  /** What a picture has: 2 and 4 channels are 1 and 3 with transparency. */
  shapeOf(image: EncodedImage): Promise<ImageShape>;
  /**
   * The pixels, row by row. Of `resized` dimensions the picture is scaled until it covers them and its middle is taken; of others it must
   * have them. Of `converted` channels grey becomes colour or colour grey and transparency is dropped; of others it must have them.
   */
  decode(image: EncodedImage, shape: ImageShape, resized: boolean, converted: boolean): Promise<Uint8Array>;
}

async function importSharp(): Promise<typeof Sharp> {
  try {
    return (await import('sharp')).default;
  } catch (cause) {
    const missing = (cause as NodeJS.ErrnoException).code === 'ERR_MODULE_NOT_FOUND';
    throw new OneLogitError(
      'ERR_ONELOGIT_DEPENDENCY',
      `Expected the package sharp, which decodes images (npm install sharp), but received: ${missing ? 'it is not installed' : (cause as Error).message}`,
      { cause },
    );
  }
}

const channelNames: Readonly<Record<number, string>> = {
  1: 'grey',
  2: 'grey with transparency',
  3: 'colour',
  4: 'colour with transparency',
};
const named = (channels: number) => `${channels} (${channelNames[channels]})`;

/** @throws OneLogitError `ERR_ONELOGIT_DEPENDENCY` where sharp is not installed. */
export async function imageDecoder(): Promise<ImageDecoder> {
  const sharp = await importSharp();

  /** What `use` makes of a picture. A damaged one is an error, not the pixels that could be saved. */
  async function open<T>(image: EncodedImage, use: (picture: ReturnType<typeof Sharp>) => Promise<T>): Promise<T> {
    const bytes = await image.read();
    try {
      return await use(sharp(bytes, { failOn: 'warning', autoOrient: true }));
    } catch (cause) {
      if (cause instanceof OneLogitError) throw cause;
      throw formatError('an intact image', image.name, (cause as Error).message.split('\n')[0]!, cause);
    }
  }

  async function shapeIn(picture: ReturnType<typeof Sharp>): Promise<ImageShape> {
    const { autoOrient, space, hasAlpha } = await picture.metadata();
    return [autoOrient.height, autoOrient.width, (/^(?:b-w|grey16)$/.test(space) ? 1 : 3) + Number(hasAlpha)];
  }

  return {
    shapeOf: (image) => open(image, shapeIn),
    decode: (image, [height, width, channels], resized, converted) =>
      open(image, async (picture) => {
        const misfit = (ownHeight: number, ownWidth: number) =>
          formatError(`${height} × ${width} pixels, as the first image has,`, image.name, `${ownHeight} × ${ownWidth} (imageSize resizes)`);
        if (!resized || !converted) {
          const [ownHeight, ownWidth, own] = await shapeIn(picture);
          if (!converted && own !== channels)
            throw formatError(
              `${named(channels)} channels, as the first image has,`,
              image.name,
              `${named(own)} (channels: ${channels} converts)`,
            );
          // Before it is decoded: a small file can be gigabytes of pixels.
          if (!resized && (ownHeight !== height || ownWidth !== width)) throw misfit(ownHeight, ownWidth);
        }
        if (resized) picture.resize(width, height, { fit: 'cover' });
        const { data, info } = await picture
          .removeAlpha()
          .toColourspace(channels === 1 ? 'b-w' : 'srgb')
          .raw({ depth: 'uchar' })
          .toBuffer({ resolveWithObject: true });
        if (info.height !== height || info.width !== width || info.channels !== channels) throw misfit(info.height, info.width);
        return data;
      }),
  };
}
