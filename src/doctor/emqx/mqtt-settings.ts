/** Settings of EMQX's `mqtt` by which replies vanish, names change, or EMQX itself refuses what docks and backends do. */
import { command } from '../../command.js';
import { answers, type Flapping, type Mqtt, type Zone } from '../../emqx/api-answers.js';
import { allOf, type Finding } from '../../finding.js';
import { checkClientId } from './client-id.js';
import type { EmqxContext } from './context.js';

export async function checkMqtt({ api, versions }: EmqxContext): Promise<Finding[]> {
  const zone = await api.get('/configs/global_zone', answers.zone);
  return allOf(checkZone(zone), checkClientId(zone.mqtt.clientid_override, versions));
}

function checkZone({ mqtt, flapping_detect: flapping }: Zone): Finding[] {
  const findings: Finding[] = [];
  if (mqtt.ignore_loop_deliver === true) {
    findings.push({
      level: 'error',
      code: 'emqx_ignore_loop_deliver',
      what: 'mqtt.ignore_loop_deliver = true',
      why: 'a reply comes from the session of the dock itself, and EMQX then does not deliver it to a dock with MQTT 3.1.1',
      fix: ['mqtt.ignore_loop_deliver = false'],
    });
  }
  for (const [setting, place] of [
    ['peer_cert_as_username', 'account'],
    ['peer_cert_as_clientid', 'client id'],
  ] as const) {
    const value = mqtt[setting] ?? 'disabled';
    if (value === 'disabled') continue;
    findings.push({
      level: 'warning',
      code: `emqx_${setting}`,
      what: `mqtt.${setting} = ${value}`,
      why: `EMQX uses the certificate's ${value} instead of the ${place} that was typed into the dock`,
      fix: [
        `mqtt.${setting} = disabled`,
        `to check the certificate as well as the account: ${command('account', 'set', 'NAME', '--cert-cn', 'CN')}`,
      ],
    });
  }
  findings.push(...checkLimits(mqtt), ...allOf(checkFlapping(flapping)));
  if (findings.length > 0) return findings;
  return [
    {
      level: 'ok',
      code: 'emqx_mqtt',
      what: 'EMQX delivers replies to the dock that asked, and changes no account and no client id',
    },
  ];
}

/** SNs have 14 characters. Ids of second sessions were seen with about 30 (`drc-SN-time`), and prefixes come on top. */
const CLIENT_ID_LENGTH = 64;

/** `thing/product/{sn}/property/set_reply` has five; and new firmware may add some. */
const TOPIC_LEVELS = 8;

/** A dock subscribes to about ten topics, and to some of its drone. */
const SUBSCRIPTIONS = 32;

interface Limit {
  code: string;
  level: 'warning' | 'error';
  broken: (mqtt: Mqtt) => boolean;
  setting: keyof Mqtt;
  why: string;
  /** What the setting should be. */
  better: string;
}

const LIMITS: readonly Limit[] = [
  {
    code: 'emqx_use_username_as_clientid',
    level: 'error',
    broken: ({ use_username_as_clientid: on }) => on === true,
    setting: 'use_username_as_clientid',
    why: 'all clients of one account then have the same client id and end each other’s sessions: several docks, or the second (DRC) session of a dock; and no client id names an SN',
    better: 'false',
  },
  {
    code: 'emqx_namespace_as_mountpoint',
    level: 'error',
    broken: ({ namespace_as_mountpoint: on }) => on === true,
    setting: 'namespace_as_mountpoint',
    why: 'EMQX then changes the topics of a client with a namespace, but asks dockhook about the unchanged ones: nobody answers its requests',
    better: 'false',
  },
  {
    code: 'emqx_max_clientid_len',
    level: 'warning',
    broken: ({ max_clientid_len: length }) => length !== undefined && length < CLIENT_ID_LENGTH,
    setting: 'max_clientid_len',
    why: 'EMQX itself refuses longer client ids; that of the second (DRC) session of a dock is longer than an SN',
    better: '65535',
  },
  {
    code: 'emqx_max_topic_levels',
    level: 'warning',
    broken: ({ max_topic_levels: levels }) => levels !== undefined && levels < TOPIC_LEVELS,
    setting: 'max_topic_levels',
    why: 'EMQX disconnects a client that publishes to a deeper topic; topics of docks have up to five levels, and new ones may have more',
    better: '128',
  },
  {
    code: 'emqx_max_qos_allowed',
    level: 'warning',
    broken: ({ max_qos_allowed: qos }) => qos !== undefined && qos < 2,
    setting: 'max_qos_allowed',
    why: 'EMQX disconnects a client that publishes with a higher QoS; docks use 1, and backends that follow DJI’s demo use 2',
    better: '2',
  },
  {
    code: 'emqx_max_subscriptions',
    level: 'warning',
    broken: ({ max_subscriptions: count }) => typeof count === 'number' && count < SUBSCRIPTIONS,
    setting: 'max_subscriptions',
    why: 'EMQX refuses further subscriptions of a dock or a backend, and does not ask dockhook',
    better: 'infinity',
  },
  {
    code: 'emqx_wildcard_subscription',
    level: 'warning',
    broken: ({ wildcard_subscription: on }) => on === false,
    setting: 'wildcard_subscription',
    why: 'EMQX refuses a backend that subscribes to thing/product/+/osd, and does not ask dockhook',
    better: 'true',
  },
  {
    code: 'emqx_shared_subscription',
    level: 'warning',
    broken: ({ shared_subscription: on }) => on === false,
    setting: 'shared_subscription',
    why: 'EMQX refuses a backend of several instances ($share/…), and does not ask dockhook',
    better: 'true',
  },
  {
    code: 'emqx_retain_available',
    level: 'warning',
    broken: ({ retain_available: on }) => on === false,
    setting: 'retain_available',
    why: 'EMQX disconnects a client that publishes with the retain flag, again and again',
    better: 'true; to keep EMQX from retaining requests, see docs/emqx.md, "Retained requests"',
  },
];

function checkLimits(mqtt: Mqtt): Finding[] {
  return LIMITS.filter(({ broken }) => broken(mqtt)).map(({ code, level, setting, why, better }) => ({
    level,
    code,
    what: `mqtt.${setting} = ${String(mqtt[setting])}`,
    why,
    fix: [`mqtt.${setting} = ${better}`],
  }));
}

/** It counts every end of a connection: a dock with a bad network looks like a stranger to it. */
function checkFlapping(flapping: Flapping | undefined): Finding | undefined {
  if (flapping?.enable !== true) return undefined;
  const { max_count: times = 15, window_time: within = '1m', ban_time: ban = '5m' } = flapping;
  return {
    level: 'warning',
    code: 'emqx_flapping_detect',
    what: `flapping_detect bans a client for ${ban} if its connection ends ${times} times within ${within}`,
    why: 'EMQX refuses a dock with a bad network when it tries hardest, and does not ask dockhook; from 6.3 on, it may refuse a whole fleet with one account or address',
    fix: ['flapping_detect.enable = false; dockhook limits wrong passwords itself'],
  };
}
