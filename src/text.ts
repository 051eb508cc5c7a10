/**
 * Text from outside, made fit to be kept (`excerpt`, `clipped`) or shown (`printable`): names, topics, what a broker or a
 * database says. `printable` is applied where output leaves (commands: cli/output.ts, the log: observability/log.ts), so
 * that no place that makes a text can forget it.
 */

/** Nobody reads more of one text on a terminal; names and topics of a client have up to 64 KiB. */
const MAX_SHOWN = 2000;

/**
 * What steers a terminal, turns the direction of what follows, cannot be seen or is half a character: a name must
 * neither do anything nor read as another.
 */
const UNSEEN =
  /[\p{Control}\p{Format}\p{Surrogate}\p{Line_Separator}\p{Paragraph_Separator}\p{Default_Ignorable_Code_Point}]/gu;

/** User name and password in an address, whatever follows; but not the form that our own advice shows. */
const USER_INFO = /\b([a-zA-Z][a-zA-Z0-9+.-]*:\/\/)(?!USER:PASSWORD@HOST:5432\/DATABASE\b)[^\s/?#"]*@/g;

/** One line for a terminal. */
export function printable(text: string): string {
  return clipped(withoutUserInfo(text).replace(UNSEEN, escaped), MAX_SHOWN);
}

/** The same for a text of several lines. */
export function printableLines(text: string): string {
  return text.split('\n').map(printable).join('\n');
}

/** JSON that is the same to a program and safe on a terminal: what is not seen is written as escapes. */
export function printableJson(json: string): string {
  return json.replace(UNSEEN, (character) => (character === '\n' ? character : escaped(character)));
}

/** A text without the user name and password of the addresses in it. */
export function withoutUserInfo(text: string): string {
  return text.includes('@') ? text.replace(USER_INFO, '$1') : text;
}

/**
 * An address as it may be shown: without user name, password and the values of its query; nothing of one that cannot
 * be read, for nobody knows where in it the password stands.
 */
export function printableUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  // A password with an unescaped / @ or # ends up in the path, or what follows.
  if (!url?.host || /@/.test(url.pathname + url.search + url.hash)) return '(an address that cannot be read)';
  const query = [...url.searchParams.keys()].map((key) => `${key}=…`).join('&');
  const path = url.pathname === '/' ? '' : url.pathname;
  return printable(`${url.protocol}//${url.host}${path}${query === '' ? '' : `?${query}`}`);
}

/** By UTF-16 code units, as JSON has it. */
function escaped(character: string): string {
  return Array.from({ length: character.length }, (_, index) => {
    return `\\u${character.charCodeAt(index).toString(16).padStart(4, '0')}`;
  }).join('');
}

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

/** `1 account`, `2 accounts`, `10,000 accounts`. */
export function counted(number: number, noun: string): string {
  return `${number.toLocaleString('en')} ${noun}${number === 1 ? '' : 's'}`;
}

const MAX_LISTED = 5;

/** `a, b, c`; of many only the first, and how many more there are. */
export function listed(names: readonly string[]): string {
  const rest = names.length - MAX_LISTED;
  return names.slice(0, MAX_LISTED).join(', ') + (rest > 0 ? ` and ${rest} more` : '');
}
