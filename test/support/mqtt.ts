/** MQTT clients for tests: no reconnecting, and a way to wait for the next message. */
import mqtt, { type IClientOptions, type IClientPublishOptions, type MqttClient } from 'mqtt';

export interface Received {
  topic: string;
  payload: Buffer;
  qos: number;
}

export interface TestClient {
  mqtt: MqttClient;
  /** Everything received so far. */
  received: Received[];
  /** The next message not yet taken, in order of arrival. */
  next(): Promise<Received>;
  publish(topic: string, payload: string | Buffer, options?: IClientPublishOptions): Promise<void>;
  /** The QoS granted to each filter, 128 for a refused one. */
  subscribe(...filters: string[]): Promise<number[]>;
  close(): Promise<void>;
}

/** Rejects with mqtt.js' error, whose `code` is the CONNACK return code if there was one. */
export async function connectClient(url: string, options: IClientOptions = {}): Promise<TestClient> {
  const client = mqtt.connect(url, { reconnectPeriod: 0, connectTimeout: 5000, ...options });
  // Messages that the broker has kept come with the CONNACK.
  const received: Received[] = [];
  const waiting: ((message: Received) => void)[] = [];
  let taken = 0;
  client.on('message', (topic, payload, { qos }) => {
    const message = { topic, payload, qos };
    received.push(message);
    const waiter = waiting.shift();
    if (waiter) {
      taken++;
      waiter(message);
    }
  });
  await new Promise<void>((resolve, reject) => {
    client.once('connect', () => {
      resolve();
    });
    client.once('close', () => {
      reject(new Error('the broker closed the connection'));
    });
    client.on('error', (error) => {
      client.end(true);
      reject(error);
    });
  });
  return {
    mqtt: client,
    received,
    async next() {
      const ready = received[taken];
      if (!ready) return new Promise((resolve) => waiting.push(resolve));
      taken++;
      return ready;
    },
    async publish(topic, payload, publishOptions = {}) {
      await client.publishAsync(topic, payload, publishOptions);
    },
    async subscribe(...filters) {
      return new Promise((resolve, reject) => {
        client.subscribe(filters, { qos: 2 }, (error, granted, packet) => {
          const codes = packet?.granted as number[] | undefined;
          if (codes) resolve(codes);
          else reject(error ?? new Error(`no SUBACK codes: ${JSON.stringify(granted)}`));
        });
      });
    },
    close: () => client.endAsync(true),
  };
}

/** The CONNACK return code (MQTT 3.1.1) or reason code (5) a broker refuses this client with; 0 if it lets it in. */
export async function connackCode(url: string, options: IClientOptions): Promise<number> {
  try {
    const client = await connectClient(url, options);
    await client.close();
    return 0;
  } catch (error) {
    const { code } = error as { code?: number | string };
    if (typeof code === 'number') return code;
    throw error;
  }
}
