/** What a gateway reports, on `status` and `events`: read once, for whoever answers or notes it. */
import type { Message, Session } from '../hooks.js';
import { parseDeviceTopic, type DeviceTopic } from '../topics.js';
import { parseEnvelope, type Envelope } from './envelope.js';

export interface Report {
  message: Message;
  session: Session;
  device: DeviceTopic;
  envelope: Envelope;
}

/** Undefined if it does not come from a live session, or cannot be read. */
export function reportIn(message: Message): Report | undefined {
  const { session, topic, payload } = message;
  const device = parseDeviceTopic(topic);
  if (device === undefined || session === undefined) return undefined;
  const envelope = parseEnvelope(payload);
  return typeof envelope === 'string' ? undefined : { message, session, device, envelope };
}
