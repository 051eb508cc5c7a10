/** Settings of EMQX's `mqtt` that refuse what docks and backends do, or change the names under which they come. */
import type { Flapping, Mqtt } from '../../emqx/api-answers.js';
import type { Finding } from '../../finding.js';

/** SNs have 14 characters; ids of second sessions were seen with some 30 (`drc-SN-time`), prefixes come on top. */
const CLIENT_ID_LENGTH = 64;
/** `thing/product/{sn}/property/set_reply` has five; room for what a firmware adds. */
const TOPIC_LEVELS = 8;
/** A dock subscribes to some ten topics, and to some of its drone's. */
const SUBSCRIPTIONS = 32;

interface Limit {
  code: string;
  level: 'warning' | 'error';
  broken: (mqtt: Mqtt) => boolean;
  setting: keyof Mqtt;
  why: string;
  /** What it should be. */
  better: string;
}

const LIMITS: readonly Limit[] = [
  {
    code: 'emqx_use_username_as_clientid',
    level: 'error',
    broken: ({ use_username_as_clientid: on }) => on === true,
    setting: 'use_username_as_clientid',
    why: 'all clients of one account then have one client id and end each other’s sessions: several docks, or the second (DRC) session of one; and a client id names no SN any more',
    better: 'false',
  },
  {
    code: 'emqx_namespace_as_mountpoint',
    level: 'error',
    broken: ({ namespace_as_mountpoint: on }) => on === true,
    setting: 'namespace_as_mountpoint',
    why: 'the topics of a client with a namespace get another name than EMQX asks dockhook about, and nobody answers its requests',
    better: 'false',
  },
  {
    code: 'emqx_max_clientid_len',
    level: 'warning',
    broken: ({ max_clientid_len: length }) => length !== undefined && length < CLIENT_ID_LENGTH,
    setting: 'max_clientid_len',
    why: 'EMQX refuses longer client ids itself; the second (DRC) session of a dock has an SN with something before or behind it',
    better: '65535',
  },
  {
    code: 'emqx_max_topic_levels',
    level: 'warning',
    broken: ({ max_topic_levels: levels }) => levels !== undefined && levels < TOPIC_LEVELS,
    setting: 'max_topic_levels',
    why: 'a client that publishes to a deeper topic is disconnected; topics of docks have up to five levels, new ones perhaps more',
    better: '128',
  },
  {
    code: 'emqx_max_qos_allowed',
    level: 'warning',
    broken: ({ max_qos_allowed: qos }) => qos !== undefined && qos < 2,
    setting: 'max_qos_allowed',
    why: 'who publishes at a higher QoS is disconnected; docks use 1, and backends made after DJI’s demo 2',
    better: '2',
  },
  {
    code: 'emqx_max_subscriptions',
    level: 'warning',
    broken: ({ max_subscriptions: count }) => typeof count === 'number' && count < SUBSCRIPTIONS,
    setting: 'max_subscriptions',
    why: 'EMQX refuses what a dock or a backend subscribes beyond it, before dockhook is asked',
    better: 'infinity',
  },
  {
    code: 'emqx_wildcard_subscription',
    level: 'warning',
    broken: ({ wildcard_subscription: on }) => on === false,
    setting: 'wildcard_subscription',
    why: 'a backend that subscribes to thing/product/+/osd is refused before dockhook is asked',
    better: 'true',
  },
  {
    code: 'emqx_shared_subscription',
    level: 'warning',
    broken: ({ shared_subscription: on }) => on === false,
    setting: 'shared_subscription',
    why: 'a backend of several instances ($share/…) is refused before dockhook is asked',
    better: 'true',
  },
  {
    code: 'emqx_retain_available',
    level: 'warning',
    broken: ({ retain_available: on }) => on === false,
    setting: 'retain_available',
    why: 'a client that publishes with the retain flag is disconnected, comes back, and is disconnected again',
    better: 'true; docs/emqx.md says how to keep requests from being retained otherwise',
  },
];

export function limitsOfMqtt(mqtt: Mqtt): Finding[] {
  return LIMITS.filter(({ broken }) => broken(mqtt)).map(({ code, level, setting, why, better }) => ({
    level,
    code,
    what: `mqtt.${setting} = ${String(mqtt[setting])}`,
    why,
    fix: [`mqtt.${setting} = ${better}`],
  }));
}

/** Counts each end of a connection, of a dock with a bad network like that of a stranger. */
export function ofFlapping(flapping: Flapping | undefined): Finding[] {
  if (flapping?.enable !== true) return [];
  const { max_count: times = 15, window_time: within = '1m', ban_time: ban = '5m' } = flapping;
  return [
    {
      level: 'warning',
      code: 'emqx_flapping_detect',
      what: `flapping_detect bans who goes ${times} times within ${within} for ${ban}`,
      why: 'a dock with a bad network is kept out when it tries hardest, and dockhook hears nothing of it; from 6.3 on a whole fleet behind one account or address may be',
      fix: ['flapping_detect.enable = false; dockhook limits wrong passwords itself'],
    },
  ];
}
