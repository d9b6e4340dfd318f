export { FakeEngine, wholeTask } from './fake-engine.js';
