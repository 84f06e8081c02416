/** Goal: the lab is what its help says, by its command line alone. Method: its sentences (sentences.ts) on the embedded API server. */
import { labSentences } from './sentences.ts';

labSentences('embedded');
