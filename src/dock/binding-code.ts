/** The device binding code of an organization, as typed into DJI Pilot 2. */

/** Shorter ones are warned about: with one of them, a stranger's dock could guess its way in. */
export const SHORT_CODE = 8;

/** Of a code that dockhook makes. */
export const GENERATED_CODE_CHARACTERS = 10;
