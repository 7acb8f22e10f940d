/**
 * The error for everything that is neither a wrong type (`TypeError`) nor a value out of range (`RangeError`): files,
 * devices, training. All three carry a stable `code`, `ERR_ONELOGIT_…`.
 */
export class OneLogitError extends Error {
  override readonly name = 'OneLogitError';
  constructor(
    readonly code: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** A `TypeError` with a stable code. */
export function typeError(code: string, message: string): TypeError & { code: string } {
  return Object.assign(new TypeError(message), { code });
}

/** A `RangeError` with a stable code. */
export function rangeError(code: string, message: string): RangeError & { code: string } {
  return Object.assign(new RangeError(message), { code });
}
