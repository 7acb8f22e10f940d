/** Gives out a stream of pieces in the lengths that are asked for. */
export class ByteReader {
  readonly #pieces: AsyncIterator<Uint8Array>;
  #rest = new Uint8Array(0);

  constructor(pieces: AsyncIterable<Uint8Array>) {
    this.#pieces = pieces[Symbol.asyncIterator]();
  }

  /** Up to `most` bytes, at least one; none at the end. */
  async some(most: number): Promise<Uint8Array> {
    while (this.#rest.length === 0) {
      const { done, value } = await this.#pieces.next();
      if (done) return this.#rest;
      this.#rest = value as Uint8Array<ArrayBuffer>;
    }
    const part = this.#rest.subarray(0, most);
    this.#rest = this.#rest.subarray(part.length);
    return part;
  }

  /** Passes `length` bytes to `use`, piece by piece; false if the stream ends before. */
  async pass(length: number, use?: (piece: Uint8Array) => unknown): Promise<boolean> {
    for (let left = length; left > 0; ) {
      const piece = await this.some(left);
      if (piece.length === 0) return false;
      await use?.(piece);
      left -= piece.length;
    }
    return true;
  }

  /** Fills an array; false if the stream ends before. */
  fill(array: Uint8Array): Promise<boolean> {
    let filled = 0;
    return this.pass(array.length, (piece) => {
      array.set(piece, filled);
      filled += piece.length;
    });
  }
}
