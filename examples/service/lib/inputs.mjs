// What a request may hold: JSON with exact lengths, or plain numbers as bytes.

const arrays = { float32: Float32Array, uint8: Uint8Array, int32: Int32Array };
const greatestFloat = 3.4028234663852886e38;

/** An error that a client can do something about. */
export function clientError(statusCode, code, message) {
  return Object.assign(new Error(message), { statusCode, code });
}

/**
 * The schema of a JSON body: `{ input: [numbers] }` or `{ inputs: [[numbers], …] }`. JSON has no NaN and no Infinity, and what would become
 * infinite as a float32 is out of range.
 */
export function bodySchema({ inputSize, inputType }, maxInputs) {
  const number =
    inputType === 'int32'
      ? { type: 'integer', minimum: -(2 ** 31), maximum: 2 ** 31 - 1 }
      : { type: 'number', minimum: -greatestFloat, maximum: greatestFloat };
  const input = { type: 'array', items: number, minItems: inputSize, maxItems: inputSize };
  return {
    type: 'object',
    properties: { input, inputs: { type: 'array', items: input, minItems: 1, maxItems: maxInputs } },
    additionalProperties: false,
    // Exactly one of the two.
    minProperties: 1,
    maxProperties: 1,
  };
}

/** For messages: what a JSON body should have been. */
export function expectedBody({ inputSize, inputType }, maxInputs) {
  const numbers = `${inputSize} ${inputType === 'int32' ? 'integers' : 'numbers'}`;
  return `{ "input": [${numbers}] } or { "inputs": [[${numbers}], … at most ${maxInputs}] }`;
}

/** Examples of a checked JSON body, one after the other. */
export function inputsOfJson({ input, inputs = [input] }, { inputSize, inputType }) {
  // Numbers are in the units of the training data, bytes too: fractions of them are allowed.
  const all = inputType === 'int32' ? new Int32Array(inputs.length * inputSize) : new Float32Array(inputs.length * inputSize);
  for (const [index, one] of inputs.entries()) all.set(one, index * inputSize);
  return all;
}

/**
 * Examples of a body of bytes: little-endian numbers of the given type, one example after the other.
 *
 * @param {Buffer} body
 * @param {'float32' | 'uint8' | 'int32'} type
 */
export function inputsOfBytes(body, type, { inputSize, inputType }, maxInputs) {
  if ((type === 'int32') !== (inputType === 'int32'))
    throw clientError(400, 'ERR_INPUT_TYPE', `Expected type=${inputType} for this model but received type=${type}`);
  const bytes = inputSize * arrays[type].BYTES_PER_ELEMENT;
  const count = body.length / bytes;
  if (!Number.isInteger(count) || count < 1 || count > maxInputs)
    throw clientError(
      400,
      'ERR_INPUT_LENGTH',
      `Expected 1 to ${maxInputs} examples of ${bytes} bytes (${inputSize} × ${type}) but received ${body.length} bytes`,
    );
  if (type === 'uint8') return body;
  // A copy: a buffer from the network may lie anywhere, and arrays of numbers only at multiples of four.
  const all = new arrays[type](new Uint8Array(body).buffer);
  if (type === 'float32' && !all.every(Number.isFinite)) {
    const index = all.findIndex((value) => !Number.isFinite(value));
    throw clientError(400, 'ERR_INPUT_NOT_FINITE', `Expected finite numbers but received ${all[index]} as number ${index}`);
  }
  return all;
}
