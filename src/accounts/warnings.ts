/**
 * What is allowed but probably a mistake. Names and SNs are compared byte by byte, so it would show only at the dock.
 */
import type { Scope } from '../stores/types.js';
import { gatewaysIn, type Claims } from './scope.js';

/** A chosen password with fewer characters can be guessed. */
export const SHORT_PASSWORD = 12;

/** One sentence for each doubt; empty if there is none. */
export function doubtsAbout(name: string, scope: Scope): string[] {
  const texts: string[] = [];
  if (name !== name.trim()) texts.push(`the name "${name}" begins or ends with a space`);
  for (const sn of gatewaysIn(scope)) {
    if (/[a-z]/.test(sn)) texts.push(`gateway ${sn} has lower-case letters; SNs of DJI docks have none`);
  }
  return texts;
}

/** @param shared what another account has, too */
export function doubtsAboutShared(shared: Claims): string[] {
  return [
    ...shared.gateways.map((sn) => `another account may act as gateway ${sn}, too`),
    ...shared.clientIds.map((id) => `another account may use the client id ${id}, too`),
  ];
}
