/** Which brokers ask dockhook, so that nobody reads advice about another. Pure. */

export type BrokerKind = 'EMQX' | 'Mosquitto' | 'dev';

/** @param name what a broker calls itself when it loads the hooks; `''` if it does not say */
export function brokerKind(name: string): BrokerKind | undefined {
  if (/emqx/i.test(name)) return 'EMQX';
  if (/mosquitto/i.test(name)) return 'Mosquitto';
  return name.startsWith('dockhook') ? 'dev' : undefined;
}

/** Advice for one kind of broker; nothing if it is known that only others are there. */
export function onBroker(
  { brokers }: { brokers?: ReadonlySet<BrokerKind> | undefined },
  kind: BrokerKind,
  ...advice: readonly string[]
): readonly string[] {
  return brokers === undefined || brokers.size === 0 || brokers.has(kind) ? advice : [];
}
