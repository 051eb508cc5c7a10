/**
 * The account inside the client id. A broker ends a session, or hands it over with its subscriptions, when another
 * client comes with its client id. The shipped EMQX configuration therefore makes the account part of every client id
 * (`mqtt.clientid_override`, EMQX 5.8.3 and later): `dock-north|7CTDTEST00000A`. dockhook takes it apart where a call
 * comes in, and in what EMQX's REST API lists; everywhere else a client id is the client's own. Pure.
 *
 * No two accounts share an id with the separator in it, as long as dockhook refuses (access/unsafe-names.ts) every client
 * whose own id still has one. Let in are then: ids without any, where the broker puts no account in front, and
 * `u|id` or `u|…|u|id` of account `u`, where neither `u` nor `id` has one. What stands before the first separator is
 * `u` in each of the latter, so an id that is let in for `u` is let in for no other account, also while one node of a
 * cluster has the override and another has not.
 */

/** In no SN, and harmless in EMQX's REST paths and in `$SYS` topics, where `/` would begin another level. */
export const CLIENT_ID_SEPARATOR = '|';

/** What a client calls itself, from the client id that the broker tells: the whole of it unless the account stands in front. */
export function ownClientId(username: string, clientId: string): string {
  if (username === '' || username.includes(CLIENT_ID_SEPARATOR)) return clientId;
  const prefix = `${username}${CLIENT_ID_SEPARATOR}`;
  let start = 0;
  // More than once: MQTT 5 tells a client that came without an id the broker's (3.2.2.3.7), and it may come back with it.
  while (clientId.startsWith(prefix, start)) start += prefix.length;
  return clientId.slice(start);
}
