// Set up for every file of properties: all cases of a run follow from one seed.
import { seedOf } from '@batuta/testing';
import fc from 'fast-check';

fc.configureGlobal({ seed: seedOf(process.env['BATUTA_SEED']) });
