/** Parts of EMQX that change or drop messages of docks, or let clients in over other protocols. */
import { getIfThere } from '../../emqx/api.js';
import { moduleAnswers, type Transformation } from '../../emqx/module-answers.js';
import type { Finding } from '../../finding.js';
import { listed } from '../../text.js';
import { mayTouchDocks } from './acl-rules.js';
import type { EmqxContext } from './context.js';

export async function checkMessages({ api }: EmqxContext): Promise<Finding[]> {
  const findings: Finding[] = [];
  for (const [what, code, path] of [
    ['changes', 'emqx_transformation', '/message_transformations'],
    ['may drop', 'emqx_validation', '/schema_validations'],
  ] as const) {
    // Only in the editions that have them (5.8 Enterprise, and from 5.9 on).
    const all = (await getIfThere(api, path, moduleAnswers.transformations)) ?? [];
    const names = all
      .filter((one) => concernsDocks(one) && !onlyRemovesRetainFlag(one))
      .map(({ name }) => name);
    if (names.length === 0) continue;
    findings.push({
      level: 'warning',
      code,
      what: `EMQX ${what} messages of docks (${path.slice(1).replace('_', ' ')}: ${listed(names)})`,
      why: 'it does so before it asks dockhook, which then answers something other than the dock sent, or nothing',
      fix: [
        'check that its topics do not include thing/product/+/requests and sys/product/+/status (dashboard, Smart Data Hub)',
      ],
    });
  }
  const gateways = (await getIfThere(api, '/gateways', moduleAnswers.gateways)) ?? [];
  const running = gateways.filter(({ status }) => status === 'running').map(({ name }) => name);
  if (running.length > 0) {
    findings.push({
      level: 'warning',
      code: 'emqx_gateways',
      what: `EMQX also takes clients over ${listed(running)}`,
      why: 'each gateway has its own authentication, and without one it lets everybody in',
      fix: [
        'disable the gateways that you do not need, and give the others an authentication (dashboard, Management, Gateways)',
      ],
    });
  }
  return findings;
}

function concernsDocks({ enable, topics }: Transformation): boolean {
  return enable !== false && [topics].flat().some((topic) => mayTouchDocks(topic));
}

function onlyRemovesRetainFlag({ operations = [] }: Transformation): boolean {
  return operations.length > 0 && operations.every(({ key }) => key === 'retain');
}
