/** The methods that dockhook answers: one file and one line here for each. Messages with other methods pass. */
export { config } from './config.js';
export { airportBindStatus } from './airport-bind-status.js';
export { airportOrganizationGet } from './airport-organization-get.js';
export { airportOrganizationBind } from './airport-organization-bind.js';
