/** Goal: a lab on a real API server takes the same commands. Method: the lab's sentences (sentences.ts), and what a killed one leaves. */
import { sweepSentence } from './leftovers.ts';
import { labSentences } from './sentences.ts';

labSentences('apiserver');
sweepSentence('apiserver');
