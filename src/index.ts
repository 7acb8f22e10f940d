export { OneLogitError } from './errors.js';
