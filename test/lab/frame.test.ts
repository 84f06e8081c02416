/** Goal: a lab that is killed before it has members leaves nothing for good. Method: what stands around them, started and recorded. */
import { sweepSentence } from './leftovers.ts';

sweepSentence('embedded');
