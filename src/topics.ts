/**
 * DJI's topic names: `thing/product/{sn}/…` and `sys/product/{sn}/…`
 * (DJI Cloud API, "Topic definition"). Pure, and free to be imported by whoever reads a topic.
 */
import { isSerialNumber } from './serial-number.js';

/** A topic or topic filter under one device. */
export interface DeviceTopic {
  root: 'thing' | 'sys';
  sn: string;
  /** What follows the SN: `osd`, `property/set`, `#`, … Never empty. */
  rest: string;
}

/** Takes a topic apart; `undefined` for any that does not lie under one literal, well-formed SN. */
export function parseDeviceTopic(topic: string): DeviceTopic | undefined {
  const [root, product, sn, ...levels] = topic.split('/');
  if ((root !== 'thing' && root !== 'sys') || product !== 'product') return undefined;
  if (sn === undefined || !isSerialNumber(sn)) return undefined;
  if (levels.length === 0 || levels.includes('')) return undefined;
  return { root, sn, rest: levels.join('/') };
}

/** The replies to a gateway's requests, and to its `update_topo`; a gateway may also ask for all that it is sent. */
const REPLY_FILTER = /^(?:thing|sys)\/product\/(?:[^/]+\/(?:requests_reply|status_reply|\+|#)|#)$/;

/** Whether who subscribes to this filter hears the replies to the messages of a gateway. */
export function isReplyFilter(filter: string): boolean {
  return REPLY_FILTER.test(filter);
}

/** What stands in a topic in place of an SN, if it is neither one nor a wildcard: simulators call their docks `DOCK-SN-001`. */
export function noSerialNumberIn(topic: string): string | undefined {
  const [, name] = /^(?:thing|sys)\/product\/([^/+#]+)\//.exec(topic) ?? [];
  return name === undefined || isSerialNumber(name) ? undefined : name;
}

/** The SN in `thing/product/{sn}/requests`, if that is what the topic is. */
export function gatewayOfRequest(topic: string): string | undefined {
  const parsed = parseDeviceTopic(topic);
  return parsed?.root === 'thing' && parsed.rest === 'requests' ? parsed.sn : undefined;
}
