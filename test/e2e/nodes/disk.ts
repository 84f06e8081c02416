/** A node's volume filled and grown, inside the node, as what writes there and its operator would. */
import assert from 'node:assert/strict';
import type { Node } from '../../kube/real/node.ts';

const filler = 'volume/filler';

async function run(node: Node, script: string): Promise<void> {
  const { code, out } = await node.shell('sh', '-ec', `cd ${node.dir}\n${script}`);
  assert.equal(code, 0, out);
}

/** Takes space until so much of it is in use. */
export async function fillVolume(node: Node, percent: number): Promise<void> {
  const missing = `df -B1 --output=used,avail volume | awk 'NR == 2 {printf "%d", ($1 + $2) * ${percent} / 100 - $1}'`;
  await run(node, `fallocate -l "$(${missing})" ${filler}`);
}

/** Makes it twice as large while it is in use. */
export async function growVolume(node: Node): Promise<void> {
  const grow = [
    'truncate -s "$((2 * $(stat -c %s volume.img)))" volume.img',
    'losetup -c "$loop"',
    'xfs_growfs volume >/dev/null',
  ];
  await run(node, ['loop=$(findmnt -no SOURCE volume)', ...grow].join('\n'));
}

/** Gives the space back. */
export async function emptyVolume(node: Node): Promise<void> {
  await node.shell('rm', '-f', `${node.dir}/${filler}`);
}
