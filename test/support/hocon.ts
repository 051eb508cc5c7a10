/**
 * As much of HOCON as the EMQX configurations use: objects, lists, dotted paths, quoted, triple-quoted and bare values,
 * comments; a later value replaces an earlier one, objects are merged. All else is an error, so that nothing
 * is misread in silence.
 */

export type Hocon = string | number | boolean | Hocon[] | HoconObject;
export interface HoconObject {
  [key: string]: Hocon;
}

const TOKEN = /[ \t\r]*(?:(?:#|\/\/)[^\n]*|("""[^]*?"""|"(?:[^"\\\n])*")|([A-Za-z0-9_.-]+)|([\n,={}:[\]]))/y;

interface Token {
  kind: 'quoted' | 'bare' | 'punctuation';
  text: string;
  line: number;
}

export function parseHocon(text: string): HoconObject {
  const tokens = tokenize(text);
  let at = 0;
  const peek = (): string => tokens[at]?.text ?? 'end';
  const fail = (): never => {
    throw new Error(`line ${tokens[at]?.line ?? 'last'}: cannot read HOCON at "${peek()}"`);
  };
  const isPunctuation = (...texts: string[]): boolean =>
    at < tokens.length && tokens[at]?.kind === 'punctuation' && texts.includes(peek());
  const take = (): Token => tokens[at++] ?? fail();
  const separators = (): void => {
    while (isPunctuation('\n', ',')) at += 1;
  };

  function fields(closing: '}' | undefined): HoconObject {
    const object: HoconObject = {};
    separators();
    while (at < tokens.length && !isPunctuation('}')) {
      const { kind, text: key } = take();
      if (kind === 'punctuation' || key === 'include') return fail();
      if (isPunctuation('=', ':')) at += 1;
      else if (!isPunctuation('{')) return fail();
      set(object, kind === 'bare' ? key.split('.') : [key], value());
      if (at < tokens.length && !isPunctuation('\n', ',', '}')) return fail();
      separators();
    }
    if ((closing === undefined) !== (at === tokens.length)) return fail();
    if (closing) at += 1;
    return object;
  }

  function list(): Hocon[] {
    const items: Hocon[] = [];
    separators();
    while (!isPunctuation(']')) {
      items.push(value());
      if (!isPunctuation('\n', ',', ']')) return fail();
      separators();
    }
    at += 1;
    return items;
  }

  function value(): Hocon {
    while (isPunctuation('\n')) at += 1;
    const { kind, text: found } = take();
    if (kind === 'quoted') return found;
    if (kind === 'bare') return scalar(found);
    if (found === '{') return fields('}');
    if (found === '[') return list();
    return fail();
  }

  return fields(undefined);
}

/** Every value that is not an object or list, by its path: `exhook.servers.0.url`. An empty list is a value. */
export function leaves(value: Hocon, path = ''): Record<string, Hocon> {
  if (typeof value !== 'object' || (Array.isArray(value) && value.length === 0)) return { [path]: value };
  const found = Object.entries(value).map(([key, inner]) => leaves(inner, path ? `${path}.${key}` : key));
  return Object.assign({}, ...found) as Record<string, Hocon>;
}

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  const end = text.trimEnd().length;
  let line = 1;
  for (TOKEN.lastIndex = 0; TOKEN.lastIndex < end;) {
    const match = TOKEN.exec(text);
    if (!match) throw new Error(`line ${line}: not in the HOCON that is understood here`);
    const [, quoted, bare, punctuation] = match;
    if (quoted !== undefined)
      tokens.push({ kind: 'quoted', text: quoted.replace(/^("""|")([^]*)\1$/, '$2'), line });
    if (bare !== undefined) tokens.push({ kind: 'bare', text: bare, line });
    if (punctuation !== undefined) tokens.push({ kind: 'punctuation', text: punctuation, line });
    line += (quoted ?? punctuation ?? '').split('\n').length - 1;
  }
  return tokens;
}

function set(object: HoconObject, path: string[], value: Hocon): void {
  const [key = '', ...rest] = path;
  const old = object[key];
  if (rest.length > 0) {
    const inner = isObject(old) ? old : {};
    object[key] = inner;
    set(inner, rest, value);
  } else if (isObject(old) && isObject(value)) {
    for (const [name, inner] of Object.entries(value)) set(old, [name], inner);
  } else object[key] = value;
}

function isObject(value: Hocon | undefined): value is HoconObject {
  return typeof value === 'object' && !Array.isArray(value);
}

function scalar(text: string): Hocon {
  if (text === 'true' || text === 'false') return text === 'true';
  return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
}
