/** What the checks of EMQX are given. Types only. */
import type { Config } from '../../config.js';
import type { EmqxApi } from '../../emqx/api.js';
import type { AskedFor } from '../../emqx/mounted-hooks.js';
import type { Version } from '../../emqx/versions.js';
import type { Account } from '../../stores/types.js';

/** What dockhook knows, to compare EMQX's answers with. */
export interface EmqxFacts extends AskedFor {
  accounts: readonly Pick<Partial<Account>, 'name' | 'scope' | 'certificateCn'>[];
  /** How many docks are listed in accounts or bound. */
  docks: number;
  unknownAccounts: Config['unknownAccounts'];
  /** Ids of the listeners that dockhook opens. */
  opens: readonly string[];
  /** Where dockhook listens, as an EMQX on the same machine would reach it; undefined if that is not known. */
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
