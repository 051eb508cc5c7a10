/** Why a session ended: each broker has its own words for it, and rules know only those of {@link End}. Pure. */
import type { TimelineEntry } from '../stores/types.js';

export type End =
  /** The client said goodbye. */
  | 'goodbye'
  /** The connection broke. */
  | 'broken'
  /** Nothing came for one and a half keepalives. */
  | 'silent'
  /** Another session came with its client id. */
  | 'taken over'
  /** An operator ended it, or its account was changed. */
  | 'kicked'
  /** The broker started again. */
  | 'broker restarted'
  /** It sent what is not MQTT, or too much of it. */
  | 'not MQTT'
  /** The broker does not say: Mosquitto 2.0 never does. */
  | 'unknown'
  /** A word that is not known here. */
  | 'other';

/** Words of EMQX (its source, and seen on 5.8.9 to 6.2), of the broker of `dev`, and of the Mosquitto plugin (`broker.h`). */
const WORDS: Readonly<Record<string, End>> = {
  normal: 'goodbye',
  disconnect_with_will_message: 'goodbye',
  tcp_closed: 'broken',
  ssl_closed: 'broken',
  sock_closed: 'broken',
  keepalive_timeout: 'silent',
  idle_timeout: 'silent',
  takenover: 'taken over',
  discarded: 'taken over',
  kicked: 'kicked',
  node_restarted: 'broker restarted',
  protocol_error: 'not MQTT',
  unknown: 'unknown',
  '': 'unknown',
};

/** EMQX also hands out what the operating system says of a socket, and what its parser says of a packet. */
const BROKEN = /closed|econn|timedout|epipe|unreach|enotconn|einval|tcp_error|ssl_error/;
const NOT_MQTT = /frame|packet|malformed|protocol|utf8/;

/** The end that a `disconnected` entry tells of. */
export function endOf({ details: { detail = '' } }: TimelineEntry): End {
  const known = WORDS[detail];
  if (known !== undefined) return known;
  return BROKEN.test(detail) ? 'broken' : NOT_MQTT.test(detail) ? 'not MQTT' : 'other';
}

/** What an end means, after "its last session ended:". */
export const END_TEXTS: Readonly<Record<End, string>> = {
  goodbye: 'it disconnected by itself',
  broken: 'the connection broke off',
  silent: 'nothing more came from it',
  'taken over': 'another session with its client id took over',
  kicked: 'an operator disconnected it, or its account was changed',
  'broker restarted': 'the node of the broker that it was connected to started again',
  'not MQTT': 'it sent something that is not MQTT',
  unknown: 'the broker does not say why',
  other: 'the broker ended it',
};
