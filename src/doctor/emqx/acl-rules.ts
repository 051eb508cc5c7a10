/**
 * What rules of EMQX's acl.conf decide before dockhook is asked. EMQX goes through them in order, and the first that
 * fits decides (EMQX documentation, "Use ACL File").
 */

/** What the file says of everybody's topics of docks: nothing, or the decision of the first such rule. */
export type AclVerdict = 'allows all' | 'denies all' | undefined;

/** @param rules the file, as EMQX gives it */
export function verdictForAll(rules: string | undefined): AclVerdict {
  for (const rule of rulesOf(rules)) {
    const [permission, who = '', action = 'all', topics = 'all'] = partsOf(rule);
    if (!isEverybody(who)) continue;
    const filters = filtersOf(topics);
    if (permission === 'allow' && filters.some(({ filter }) => mayTouchDocks(filter))) return 'allows all';
    // Who may not publish with the retain flag, or at QoS 2, may do everything else.
    const isWhole = !action.startsWith('{') && filters.some(({ filter, exact }) => filter === '#' && !exact);
    if (permission === 'deny' && isWhole) return 'denies all';
  }
  return undefined;
}

/** Whether a rule keeps everybody from publishing retained requests, as docs/emqx.md gives it. */
export function deniesRetainedRequests(rules: string | undefined): boolean {
  return rulesOf(rules).some((rule) => {
    const plain = rule.replace(/\s/g, '');
    return (
      /^deny,all,\{(publish|all),\[\{retain,true\}\]\},\[/.test(plain) &&
      /"(thing\/product\/\+\/requests|thing\/product\/#|thing\/#|#)"/.test(plain)
    );
  });
}

/** The inside of each `{…}.`; `%` begins a comment, but not in a string. */
function rulesOf(text = ''): string[] {
  const code = text.replace(/"(?:\\.|[^"\\])*"|%.*$/gm, (found) => (found.startsWith('%') ? '' : found));
  return [...code.matchAll(/\{((?:"(?:\\.|[^"\\])*"|[^"])*?)\}\s*\.(?=\s|$)/g)].map(
    ([, inside = '']) => inside,
  );
}

/** `allow, {username, "x"}, publish, ["a", "b"]` at its outer commas. */
function partsOf(rule: string): string[] {
  const parts: string[] = [];
  let depth = 0;
  let part = '';
  for (const [token] of rule.matchAll(/"(?:\\.|[^"\\])*"|[^"]/g)) {
    if (token === '{' || token === '[' || token === '(') depth += 1;
    if (token === '}' || token === ']' || token === ')') depth -= 1;
    if (token === ',' && depth === 0) {
      parts.push(part.trim());
      part = '';
    } else part += token;
  }
  return [...parts, part.trim()];
}

/** EMQX's ways to say "whoever it is": the word, a pattern that fits any name, a net that holds every address. */
function isEverybody(who: string): boolean {
  const plain = who.replace(/\s/g, '');
  return (
    plain === 'all' ||
    /^\{(user|username|client|clientid),(all|\{re,"\^?(\.\*|\.\+)?\$?"\})\}$/.test(plain) ||
    /^\{ipaddrs?,\[?"(0\.0\.0\.0\/0|::\/0)"/.test(plain) ||
    /^\{'?or'?,\[.*?(all\b|\{(user|username|client|clientid),all\})/.test(plain)
  );
}

/** `["a/#", {eq, "#"}, "eq +/#"]`, or `all`; an exact one fits a subscription to that very filter. */
function filtersOf(topics: string): { filter: string; exact: boolean }[] {
  if (topics === 'all') return [{ filter: '#', exact: false }];
  return [...topics.matchAll(/(\{\s*eq\s*,\s*(?:<<)?)?"(eq )?((?:\\.|[^"\\])*)"/g)].map(
    ([, tuple, prefix, filter = '']) => ({ filter, exact: tuple !== undefined || prefix !== undefined }),
  );
}

/** Whether a topic filter may match a topic of a dock: `thing/product/{sn}/…` or `sys/product/{sn}/…`. */
export function mayTouchDocks(filter: string): boolean {
  const [root = '', product, sn] = filter.replace(/^\$share\/[^/]+\//, '').split('/');
  if (root === '#') return true;
  if (!['+', 'thing', 'sys'].includes(root)) return false;
  return product === '#' || ((product === '+' || product === 'product') && (sn ?? '') !== '');
}
