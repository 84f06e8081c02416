/**
 * The database on three real nodes (kubelet, containerd, kube-proxy, CoreDNS), deployed from manifests/ with the image of
 * images/Dockerfile. One cluster for all sentences; each leaves it healthy.
 */
import { after, before } from 'node:test';
import { components } from './components.ts';
import { declared } from './declared.ts';
import { faults } from './faults.ts';
import { outages } from './outages.ts';
import { usedRights } from './rights.ts';
import { startScene, stopScene } from './scene.ts';
import { surfaces } from './surfaces.ts';
import { upkeep } from './upkeep.ts';
import { wrongs } from './wrongs.ts';

before(() => startScene({ volumeMiB: 2048 }), { timeout: 900_000 });
after(stopScene);

surfaces();
faults();
outages();
upkeep();
wrongs();
components();
declared();
usedRights();
