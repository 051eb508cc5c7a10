/**
 * The beginning of a text from outside, to be kept. A copy: what `slice` returns holds on to the whole text, and a
 * client's may be a megabyte.
 */
export function excerpt(text: string, length: number): string {
  // Not UTF-8: a cut through a surrogate pair must not grow.
  return text.length > length ? Buffer.from(text.slice(0, length), 'utf16le').toString('utf16le') : text;
}

/** A text, or its beginning and a mark that there was more. */
export function clipped(text: string, length: number): string {
  return text.length > length ? `${excerpt(text, length)}…` : text;
}
