/** The lines by which Mosquitto 2.1 takes a plugin, beside `plugin`: the broker must not be open under any of them. */
import { expect } from 'chai';
import { freePorts } from '../support/haproxy.js';
import { connackCode } from '../support/mqtt.js';
import { describeWithMosquitto, PLUGIN, runMosquitto } from '../support/mosquitto.js';
import { startProvider, type ScriptedProvider } from '../support/scripted-provider.js';

describeWithMosquitto('Mosquitto with the plugin', () => {
  let provider: ScriptedProvider;
  afterEach(() => {
    provider.stop();
  });

  const lines: [what: string, lines: (port: number) => string[]][] = [
    ['global_plugin', (port) => [`global_plugin ${PLUGIN}`, 'URL', `listener ${port} 127.0.0.1`]],
    [
      'global_plugin with per_listener_settings',
      (port) => [
        'per_listener_settings true',
        `global_plugin ${PLUGIN}`,
        'URL',
        `listener ${port} 127.0.0.1`,
      ],
    ],
    [
      'plugin_load and plugin_use',
      (port) => [
        `plugin_load dockhook ${PLUGIN}`,
        'URL',
        `listener ${port} 127.0.0.1`,
        'plugin_use dockhook',
        `listener ${port} ::1`,
        'plugin_use dockhook',
      ],
    ],
  ];
  for (const [what, make] of lines) {
    it(`decides under ${what}, where the broker knows it (from 2.1)`, async function () {
      provider = await startProvider();
      const [port = 0] = await freePorts(1);
      const url = `plugin_opt_url http://${provider.address}`;
      const broker = runMosquitto([
        ...(process.getuid?.() === 0 ? ['user root'] : []),
        ...make(port).map((line) => (line === 'URL' ? url : line)),
      ]);
      const outcome = await Promise.race([
        broker.exit.then(() => 'ended'),
        broker.says(' serves').catch(() => 'ended'),
      ]);
      if (outcome === 'ended') {
        expect(broker.log()).to.include('Unknown configuration variable');
        this.skip();
      }
      const login = { clientId: 'a', username: 'a', password: 'b' };
      expect(await connackCode(`mqtt://127.0.0.1:${port}`, login)).to.equal(0);
      expect(await connackCode(`mqtt://127.0.0.1:${port}`, { clientId: 'nameless' })).to.equal(5);
      broker.signal('SIGHUP');
      await broker.says('Reloading config');
      expect(await connackCode(`mqtt://127.0.0.1:${port}`, login)).to.equal(0);
      expect(await broker.stop()).to.equal(0);
    });
  }
});
