/** What the checks of EMQX are given. Types only. */
import type { Config } from '../../config.js';
import type { EmqxApi } from '../../emqx/api.js';
import type { Version } from '../../emqx/versions.js';
import type { Account } from '../../stores/types.js';

/** What dockhook knows, and EMQX's answers are held against. */
export interface EmqxFacts {
  accounts: readonly Pick<Partial<Account>, 'name' | 'scope' | 'certificateCn'>[];
  unknownAccounts: Config['unknownAccounts'];
  /** Whether dockhook asks for `client.connected` and `client.disconnected`. */
  timeline: boolean;
  /** Ids of the listeners that dockhook opens. */
  opens: readonly string[];
  /** Where dockhook listens by its settings, if that can be told for an EMQX on the same machine. */
  exhookUrl?: string | undefined;
  /** The provider's name in EMQX; `dockhook` unless given. */
  provider?: string | undefined;
}

/** What the checks share. */
export interface EmqxContext extends EmqxFacts {
  api: EmqxApi;
  /** One per node that told a version which can be read; empty if none did. */
  versions: readonly Version[];
}
