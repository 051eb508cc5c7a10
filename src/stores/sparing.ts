/**
 * Work on many at once, of which one that PostgreSQL refuses for what it is must not spoil the others: a name that the
 * encoding of the database does not have, a number out of range.
 */
import { isAboutData, isAscii } from './database.js';

/** Statements for one piece of work at most, so that many bad members do not keep the database busy. */
const MAX_STATEMENTS = 100;

/**
 * Does the work on all members together. If PostgreSQL refuses that for its data, the work is done anew on parts of
 * them until the bad ones are alone. Any other failure is one of all.
 * @param textOf the text of a member that may be foreign to the database's encoding
 * @param work must have done nothing if it rejects
 * @param refuse told of members that were refused, each alone, or together once there were too many statements
 */
export async function sparing<Member>(
  members: readonly Member[],
  textOf: (member: Member) => string,
  work: (some: readonly Member[]) => Promise<void>,
  refuse: (some: readonly Member[], error: Error) => void,
): Promise<void> {
  let statements = 0;

  async function attempt(some: readonly Member[]): Promise<void> {
    statements += 1;
    try {
      await work(some);
    } catch (error) {
      if (!isAboutData(error)) throw error;
      if (some.length === 1 || statements >= MAX_STATEMENTS) refuse(some, error);
      else for (const part of partsOf(some, textOf)) await attempt(part);
    }
  }

  await attempt(members);
}

/** ASCII is in every encoding: where there is both, one cut parts the good from the doubtful. */
function partsOf<Member>(
  members: readonly Member[],
  textOf: (member: Member) => string,
): readonly Member[][] {
  const plain = members.filter((member) => isAscii(textOf(member)));
  const half = members.length >> 1;
  return plain.length > 0 && plain.length < members.length
    ? [plain, members.filter((member) => !isAscii(textOf(member)))]
    : [members.slice(0, half), members.slice(half)];
}
