// Set-up for every file of property tests: all random cases of a run follow from one seed.
import { seedOf } from '@batuta/testing';
import fc from 'fast-check';

fc.configureGlobal({ seed: seedOf(process.env['BATUTA_SEED']) });
