/**
 * The other end of one MQTT 5 connection at a time, by hand (OASIS MQTT 5.0): the embedded broker speaks 3.1.1
 * alone. It knows no sessions and no other clients; what it answers is the test's to say.
 */
import { createServer } from 'node:net';
import { listening, type TestServer } from './bare-broker.js';

/** Reason codes of MQTT 5. */
export const NOT_AUTHORIZED = 135;
export const NO_SUBSCRIBERS = 16;

export interface Answers {
  connect(username: string | undefined): number;
  subscribe(filter: string): number;
  /** The code of the PUBACK, and what the client is sent after it. */
  publish(topic: string, payload: Buffer): { code: number; reply?: { topic: string; payload: string } };
}

const Type = {
  CONNECT: 1,
  CONNACK: 2,
  PUBLISH: 3,
  PUBACK: 4,
  SUBSCRIBE: 8,
  SUBACK: 9,
  UNSUBSCRIBE: 10,
  UNSUBACK: 11,
};

export async function startMqtt5Server(answers: Answers): Promise<TestServer> {
  const server = createServer((socket) => {
    let buffered: Buffer = Buffer.alloc(0);
    const send = (type: number, ...body: (number[] | Buffer)[]): void => {
      const bytes = Buffer.concat(body.map((part) => Buffer.from(part)));
      socket.write(Buffer.concat([Buffer.from([type << 4, ...variable(bytes.length)]), bytes]));
    };
    const answer = (type: number, flags: number, reader: Reader): void => {
      if (type === Type.CONNECT) send(Type.CONNACK, [0, answers.connect(usernameIn(reader)), 0]);
      if (type === Type.SUBSCRIBE || type === Type.UNSUBSCRIBE) {
        const id = reader.bytes(2);
        reader.bytes(reader.variable());
        const codes: number[] = [];
        while (!reader.atEnd()) {
          const filter = reader.text();
          if (type === Type.SUBSCRIBE) reader.bytes(1);
          codes.push(type === Type.SUBSCRIBE ? answers.subscribe(filter) : 0);
        }
        send(type === Type.SUBSCRIBE ? Type.SUBACK : Type.UNSUBACK, id, [0], codes);
      }
      if (type === Type.PUBLISH) {
        const topic = reader.text();
        const id = (flags & 6) > 0 ? reader.bytes(2) : undefined;
        reader.bytes(reader.variable());
        const { code, reply } = answers.publish(topic, reader.rest());
        if (id) send(Type.PUBACK, id, [code, 0]);
        if (reply) send(Type.PUBLISH, text(reply.topic), [0], Buffer.from(reply.payload));
      }
    };
    socket.on('data', (chunk: Buffer) => {
      buffered = Buffer.concat([buffered, chunk]);
      for (;;) {
        const reader = readerOf(buffered);
        const packet = reader.packet();
        if (packet === undefined) return;
        buffered = reader.rest();
        answer(packet.type, packet.flags, readerOf(packet.body));
      }
    });
  });
  return listening(server);
}

type Reader = ReturnType<typeof readerOf>;

function readerOf(buffer: Buffer) {
  let at = 0;
  const bytes = (length: number): Buffer => buffer.subarray(at, (at += length));
  const variableInteger = (): number => {
    for (let value = 0, shift = 0; ; shift += 7) {
      const [byte = 0] = bytes(1);
      value |= (byte & 127) << shift;
      if (byte < 128) return value;
    }
  };
  return {
    bytes,
    variable: variableInteger,
    text: (): string => bytes(bytes(2).readUInt16BE()).toString(),
    rest: (): Buffer => buffer.subarray(at),
    atEnd: (): boolean => at >= buffer.length,
    /** The next whole packet. */
    packet(): { type: number; flags: number; body: Buffer } | undefined {
      const [first = 0] = bytes(1);
      if (!buffer.subarray(1, 5).some((byte) => byte < 128)) return undefined;
      const length = variableInteger();
      if (at + length > buffer.length) return undefined;
      return { type: first >> 4, flags: first & 15, body: bytes(length) };
    },
  };
}

function usernameIn(reader: Reader): string | undefined {
  reader.text();
  const [, flags = 0] = reader.bytes(2);
  reader.bytes(2);
  reader.bytes(reader.variable());
  reader.text();
  return (flags & 128) > 0 ? reader.text() : undefined;
}

function variable(length: number): number[] {
  return length < 128 ? [length] : [(length & 127) | 128, ...variable(length >> 7)];
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]);
}
