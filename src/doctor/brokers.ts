/** Which broker is there, and what is told of it: advice for another one helps nobody. */
import { command } from '../command.js';
import type { Config } from '../config.js';
import { ASK_DOCKHOOK_ALONE, CONFIGURE_EMQX, DELIVER_OWN_REPLIES } from '../fixes.js';
import type { HeardServer } from '../stores/types.js';

/** The words of findings about a broker, whichever it is. */
export interface BrokerWords {
  name: string;
  /** For a broker that does not ask dockhook. */
  configure: string;
  /** For one that does not hand a reply to the dock that asked. */
  deliverOwnReplies: string;
  /** For one that decides about topics before it asks dockhook, and what decides then. */
  askDockhookAlone: readonly string[];
  decidesBefore: string;
  /** What of its own can answer a dock beside a backend. */
  rules: { name: string; paper: string } | undefined;
}

const CONFIGURE_MOSQUITTO = `set Mosquitto up as deploy/mosquitto/dockhook.conf has it, and check it: ${command('doctor', '--mosquitto-conf', 'FILE')}`;

/** Of EMQX, also where it is not known which broker is there. */
export const EMQX: BrokerWords = {
  name: 'EMQX',
  configure: CONFIGURE_EMQX,
  deliverOwnReplies: DELIVER_OWN_REPLIES,
  askDockhookAlone: ASK_DOCKHOOK_ALONE,
  decidesBefore:
    'an authorization source of the broker allows it before dockhook is asked (the acl.conf that EMQX ships ends in "allow all")',
  rules: { name: 'a rule of EMQX', paper: 'docs/emqx.md, "Rules beside a backend"' },
};

const MOSQUITTO: BrokerWords = {
  name: 'Mosquitto',
  configure: CONFIGURE_MOSQUITTO,
  deliverOwnReplies: 'look at the log of Mosquitto: lines of the plugin begin with dockhook:',
  askDockhookAlone: [CONFIGURE_MOSQUITTO],
  decidesBefore: 'another plugin of Mosquitto allows it before dockhook is asked',
  rules: undefined,
};

/** The brokers that are there, as far as it is known. */
export interface KnownBrokers {
  emqx: boolean;
  mosquitto: boolean;
}

/** By what this command was given, and by the brokers that asked servers on this database. */
export function knownBrokers(
  { emqxUrl }: Pick<Config, 'emqxUrl'>,
  mosquittoConf: string | undefined,
  servers: readonly HeardServer[],
): KnownBrokers {
  const products = servers.flatMap(({ brokers }) => brokers);
  return {
    emqx: emqxUrl !== undefined || products.some((product) => /emqx/i.test(product)),
    mosquitto: mosquittoConf !== undefined || products.some((product) => /mosquitto/i.test(product)),
  };
}

/** The words for the one broker that a probe talks to. */
export function wordsFor({ emqx, mosquitto }: KnownBrokers): BrokerWords {
  return mosquitto && !emqx ? MOSQUITTO : EMQX;
}

const GIVE_EMQX = 'set DOCKHOOK_EMQX_URL, DOCKHOOK_EMQX_API_KEY_FILE and DOCKHOOK_EMQX_API_SECRET_FILE';
const GIVE_MOSQUITTO = 'give its configuration, --mosquitto-conf /etc/mosquitto/mosquitto.conf';

/** What was not checked of the broker, and how to have it checked; undefined if all was. */
export function unchecked(
  { emqx, mosquitto }: KnownBrokers,
  { emqxUrl }: Pick<Config, 'emqxUrl'>,
  mosquittoConf: string | undefined,
): string | undefined {
  if (!emqx && !mosquitto)
    return `The broker was not checked. EMQX: ${GIVE_EMQX}. Mosquitto: ${GIVE_MOSQUITTO}.`;
  const notes = [
    emqx && emqxUrl === undefined && `EMQX was not checked: ${GIVE_EMQX}.`,
    mosquitto && mosquittoConf === undefined && `Mosquitto was not checked: ${GIVE_MOSQUITTO}.`,
  ].filter((note) => note !== false);
  return notes.length === 0 ? undefined : notes.join('\n');
}
