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
export async function splitOnRefusal<Member>(
  members: readonly Member[],
  textOf: (member: Member) => string,
  work: (part: readonly Member[]) => Promise<void>,
  refuse: (part: readonly Member[], error: Error) => void,
): Promise<void> {
  let statements = 0;

  async function attempt(part: readonly Member[]): Promise<void> {
    statements += 1;
    try {
      await work(part);
    } catch (error) {
      if (!isAboutData(error)) throw error;
      if (part.length === 1 || statements >= MAX_STATEMENTS) refuse(part, error);
      else for (const half of halve(part, textOf)) await attempt(half);
    }
  }

  await attempt(members);
}

/**
 * ASCII is in every encoding: where there is both, one cut parts the good from the doubtful. The others are tried from
 * the lowest letters on: LATIN1 has all up to ÿ, so that its own are out before statements run short.
 */
function halve<Member>(members: readonly Member[], textOf: (member: Member) => string): readonly Member[][] {
  const plain = members.filter((member) => isAscii(textOf(member)));
  const others = members
    .filter((member) => !isAscii(textOf(member)))
    .map((member) => ({ member, highest: highestLetter(textOf(member)) }))
    .sort((one, other) => one.highest - other.highest)
    .map(({ member }) => member);
  if (plain.length > 0 && others.length > 0) return [plain, others];
  const all = plain.length > 0 ? plain : others;
  const half = all.length >> 1;
  return [all.slice(0, half), all.slice(half)];
}

function highestLetter(text: string): number {
  let highest = 0;
  for (const letter of text) highest = Math.max(highest, letter.codePointAt(0) ?? 0);
  return highest;
}
