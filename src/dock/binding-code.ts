/** The device binding code of an organization, as typed into DJI Pilot 2. */

/** For a shorter code there is a warning: a stranger's dock could guess it. */
export const SHORT_CODE = 8;

/** Length of a code that dockhook makes. */
export const GENERATED_CODE_CHARACTERS = 10;
