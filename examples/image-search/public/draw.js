/** Draws an image of bytes, sent as base64, with black ink whose opacity is the byte: the style sheet decides about colours. */
export function draw(canvas, base64, [height, width]) {
  canvas.width = width;
  canvas.height = height;
  const bytes = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
  const pixels = new ImageData(width, height);
  for (let i = 0; i < bytes.length; i++) pixels.data[4 * i + 3] = bytes[i];
  canvas.getContext('2d').putImageData(pixels, 0, 0);
}
