/**
 * What every message between dock and cloud is wrapped in (DJI Cloud API, "Topic definition").
 * Requests are read leniently. Nothing depends on their timestamp: in DJI's own examples it is 0, a text, or
 * its key is spelt `"timestamp:"`.
 */
import { isUtf8 } from 'node:buffer';
import type { AccessEvent } from '../events.js';
import { excerpt } from '../text.js';
import { MAX_PAYLOAD_BYTES } from './request-limits.js';

/** A request taken apart. `undefined`: not sent, or of a type that is not worth repeating. */
export interface Envelope {
  tid: string | number | undefined;
  bid: string | number | undefined;
  gateway: string | number | undefined;
  /** The dock's clock when it sent this, in milliseconds since the epoch. */
  timestamp: number | undefined;
  /** Never empty. */
  method: string;
  /** Whether an event asks for a reply. */
  needReply: boolean;
  /** As it was sent; null if nothing was. */
  data: unknown;
}

/** Reads a request, or says why it is not one. Ignores unknown fields. */
export function parseEnvelope(payload: Buffer): Envelope | 'too_large' | 'not_json' | 'no_method' {
  if (payload.length > MAX_PAYLOAD_BYTES) return 'too_large';
  const sent = parseObject(payload);
  if (sent === undefined) return 'not_json';
  const { method, data = null } = sent;
  if (typeof method !== 'string' || method === '') return 'no_method';
  const timestamp = momentOf(sent.timestamp ?? sent['timestamp:']);
  return {
    tid: copied(sent.tid),
    bid: copied(sent.bid),
    gateway: copied(sent.gateway),
    timestamp,
    method,
    needReply: sent.need_reply === 1 || sent.need_reply === '1',
    data,
  };
}

/** What an event says about a message. */
export function messageTraits(
  { tid, timestamp }: Envelope,
  now: number,
): Pick<AccessEvent, 'tid' | 'clockSkewMs'> {
  return {
    ...(tid === undefined ? {} : { tid: excerpt(String(tid), MAX_TOLD_TID) }),
    ...(timestamp === undefined ? {} : { clockSkewMs: Math.round(timestamp - now) }),
  };
}

/**
 * The reply to a request. A dock finds its request again by `tid`, `bid` and `method`.
 * @param timestamp milliseconds since the epoch
 */
export function replyPayload(request: Envelope, timestamp: number, data: object): Buffer {
  const { tid, bid, gateway, method } = request;
  return Buffer.from(JSON.stringify({ tid, bid, timestamp, gateway, method, data }));
}

/** The QoS of a reply: at QoS 0 it would be lost with the connection, and the dock would wait for nothing. */
export function replyQos(asked: number): number {
  return Math.max(1, asked);
}

/** A tid is the sender's text and may be megabytes; events keep this much of it. A UUID has 36. */
const MAX_TOLD_TID = 64;

interface Sent {
  tid?: unknown;
  bid?: unknown;
  gateway?: unknown;
  timestamp?: unknown;
  'timestamp:'?: unknown;
  method?: unknown;
  need_reply?: unknown;
  data?: unknown;
}

function parseObject(payload: Buffer): Sent | undefined {
  // Buffer.toString would turn broken UTF-8 into replacement characters, and those into a new name.
  if (!isUtf8(payload)) return undefined;
  try {
    const sent: unknown = JSON.parse(payload.toString());
    return typeof sent === 'object' && sent !== null && !Array.isArray(sent) ? sent : undefined;
  } catch {
    return undefined;
  }
}

/** 0 stands in examples and means "none". */
function momentOf(value: unknown): number | undefined {
  const moment = typeof value === 'string' ? Number(value) : value;
  return typeof moment === 'number' && moment > 0 && moment <= MAX_MOMENT ? moment : undefined;
}

/** The latest date in JavaScript. */
const MAX_MOMENT = 8.64e15;

/** Nothing nested: JSON.stringify recurses, and fails on 100,000 brackets that JSON.parse can read. */
function copied(value: unknown): string | number | undefined {
  if (typeof value === 'string') return value;
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}
