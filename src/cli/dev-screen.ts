/** The log of `dockhook dev` on a screen: in one line and plain words, who comes, who is refused and who leaves. */
import { command } from '../command.js';
import { createLog, type Logger } from '../observability/log.js';
import { readableLine } from '../observability/readable-line.js';
import { print, style } from './output.js';

interface ScreenLog {
  log: Logger;
  /** Shows clients from now on. Until then the demo dock comes, whose steps are shown anyway. */
  showClients(): void;
}

type Line = Partial<Record<string, string>>;

export function openScreenLog(level: string): ScreenLog {
  let showsClients = false;
  const write = (json: string): void => {
    const line = JSON.parse(json) as Line;
    const text = clientText(line);
    if (text !== undefined) {
      if (showsClients) print(`${style('dim', timeOf(line))}  ${text}`);
    } else if (line['level'] === 'warn' || line['level'] === 'error') print(readableLine(json).trimEnd());
  };
  return {
    log: createLog(level, { write }),
    showClients: () => {
      showsClients = true;
    },
  };
}

/** By the clock of this machine. */
function timeOf({ time = '' }: Line): string {
  return new Date(time).toTimeString().slice(0, 8);
}

/** Undefined for a line that is about no client, and for what nobody waits for. */
function clientText(line: Line): string | undefined {
  const {
    event,
    outcome,
    account = '',
    clientId = '',
    gateway,
    sn = '',
    method = '',
    action,
    topic = '',
  } = line;
  const who = gateway ?? clientId;
  const good = (text: string): string => `${style('green', '✓')} ${text}`;
  const bad = (text: string): string => {
    const see = gateway === undefined ? command('dock', 'list') : command('dock', 'show', gateway);
    return `${style('red', '✗')} ${text}: ${whyOf(line)} → ${see}`;
  };
  switch (`${event ?? ''} ${outcome ?? ''}`) {
    case 'authenticate ok':
      return good(
        `${who} connects with account ${account}, from ${line['peerHost'] ?? 'an unknown address'}`,
      );
    case 'authenticate refused':
      return bad(`${who} was refused, with account ${account}`);
    case 'authorize refused':
      return bad(`${who} may not ${action ?? 'use'} ${topic}`);
    case 'bind ok':
      return good(`${sn} is bound to organization ${line['organizationId'] ?? ''}`);
    case 'bind refused':
    case 'bind faulty':
      return bad(`${sn} was not bound`);
    case 'request faulty':
    case 'request dropped':
      return bad(`${who} asked for ${method || 'something'}, and got no good answer`);
    case 'disconnected ok':
      return `${style('dim', '–')} ${who} has left`;
    default:
      return undefined;
  }
}

function whyOf({ reason = 'no reason' }: Line): string {
  return IN_WORDS[reason] ?? reason.replaceAll('_', ' ');
}

/** What was typed into DJI Pilot 2, and what else the reason does not say by itself. */
const IN_WORDS: Line = {
  unsupported_protocol: 'it speaks MQTT 5, and this broker MQTT 3.1.1 only',
  no_binding_code: 'no device binding code was typed',
  wrong_binding_code: 'a wrong device binding code was typed',
  organization_id_as_code: 'an organization id was typed as device binding code',
  wrong_organization_id: 'an organization id was typed that does not belong to the device binding code',
  typed_with_spaces: 'the organization id or the device binding code was typed with a space too many',
};
