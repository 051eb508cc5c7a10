/** What dockhook answers where there is no backend: the words of `DOCKHOOK_ANSWER_FOR_BACKEND`. */

export interface AnswerForBackend {
  /** `update_topo`, on `status`. */
  updateTopo: boolean;
  /** Events that ask for a reply. */
  events: boolean;
  /** Methods of `requests` that are not ours. */
  methods: ReadonlySet<string>;
}

/** Events that are never answered: a reply claims that somebody recorded the file, and the dock may delete it. */
export const EVENTS_OF_FILES: ReadonlySet<string> = new Set([
  'file_upload_callback',
  'highest_priority_upload_flighttask_media',
]);

/** Methods of `requests` to which an empty reply would be a lie. */
const NO_EMPTY_REPLY: Readonly<Record<string, string>> = {
  storage_config_get: 'its reply names a storage and the keys to it',
  flighttask_resource_get: 'its reply names the file of a flight task',
  flighttask_progress_get: 'its reply says how far a flight task is',
};

/**
 * Reads words that are separated by commas. Any word that is not `update_topo` or `events` is a method of `requests`: new
 * firmware has new ones.
 * @throws Error that says which word cannot be meant, and why
 */
export function parseAnswerForBackend(text: string): AnswerForBackend {
  const words = new Set(
    text
      .split(',')
      .map((word) => word.trim())
      .filter(Boolean),
  );
  for (const word of words) {
    const fault = faultOf(word);
    if (fault !== undefined) throw new Error(`"${word}" ${fault}`);
  }
  const updateTopo = words.delete('update_topo');
  const events = words.delete('events');
  return { updateTopo, events, methods: words };
}

function faultOf(word: string): string | undefined {
  if (!/^[A-Za-z0-9_]+$/.test(word)) return 'is not the name of a method, such as flight_areas_get';
  if (EVENTS_OF_FILES.has(word)) {
    return 'is an event that only a backend may answer: the reply claims that it has the file';
  }
  const reply = Object.hasOwn(NO_EMPTY_REPLY, word) ? NO_EMPTY_REPLY[word] : undefined;
  return reply === undefined ? undefined : `needs a backend: ${reply}`;
}
