/** mqtt.js leaves Nagle's algorithm on: a PUBACK then holds back the PUBLISH behind it for 40 ms. */
import type { Socket } from 'node:net';
import type { MqttClient } from 'mqtt';

export function withoutDelay({ stream }: MqttClient): void {
  (stream as unknown as Socket).setNoDelay(true);
}
