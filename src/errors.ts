/**
 * The error for everything that is neither a wrong type (`TypeError`) nor a value out of range (`RangeError`): files,
 * devices, training. All three carry a stable `code`, `ERR_ONELOGIT_…`.
 */
export class OneLogitError extends Error {
  override readonly name: string = 'OneLogitError';
  /** @internal */
  constructor(
    readonly code: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/**
 * What stops because an `AbortSignal` said so is rejected with this, as Node's own functions do: `name` is `'AbortError'`, `cause` the
 * signal's reason, `code` `ERR_ONELOGIT_ABORTED`.
 */
export class AbortError extends OneLogitError {
  override readonly name = 'AbortError';
  /** @internal */
  constructor(message: string, signal: AbortSignal) {
    super('ERR_ONELOGIT_ABORTED', message, { cause: signal.reason });
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
