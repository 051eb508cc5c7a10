/**
 * A run that does not come to its end has failed. Without this, mocha (12) ends with 0 when one of its parallel processes
 * crashes; when it has finished, it sets the exit code itself.
 */
process.exitCode = 1;
