/**
 * The members of the status document: every pod the API server told of and every peer that ever answered, each with
 * what it said of itself lately. A member that has not answered within the freshness of gossip is Unknown; its old
 * words are not shown as new ones (K33).
 */
import { readableLabel } from '../../core/labels.ts';
import { freshPeer, freshPeers, obstacle, shownReason } from '../../core/election.ts';
import { memberOf, recordOf } from '../../core/lease.ts';
import { lsnOrNull } from '../../core/lsn.ts';
import type { Instance, PeerState, PodSight, VolumeUse } from '../../core/model.ts';
import type { Snapshot, View } from '../../core/view.ts';
import type { ClusterStatus, MemberStatus, VolumeStatus } from './document.ts';

/** What a member says of itself; the own member is looked at directly. */
type Word = Pick<
  PeerState,
  | 'role'
  | 'state'
  | 'detail'
  | 'paused'
  | 'term'
  | 'received'
  | 'replayed'
  | 'written'
  | 'eligible'
  | 'reason'
  | 'build'
  | 'volumes'
> & { instance: Instance['is']; since: string | undefined; agentVersion: string };

/** All members, sorted by name. */
export function membersOf(snapshot: Snapshot): MemberStatus[] {
  const { view } = snapshot;
  const pods = view.pods.known ? view.pods.value : [];
  const holder = memberOf(recordOf(view.lease)?.holder ?? '');
  const names = new Set([
    view.self.name,
    ...pods.map((pod) => pod.name),
    ...Object.keys(view.peers),
    ...(holder === '' ? [] : [holder]),
  ]);
  const position = primaryPosition(view);
  const word = (name: string) => (name === view.self.name ? ownWord(snapshot) : freshPeer(view, name));
  return [...names]
    .sort()
    .map((name) => memberStatus({ view, name, pod: pods.find((pod) => pod.name === name), word: word(name), position }));
}

/** Names of the members that are primaries by their own, fresh word. */
export function primariesOf(view: View): string[] {
  const names = freshPeers(view)
    .filter((peer) => peer.state.instance === 'primary')
    .map((peer) => peer.state.name);
  return view.instance.is === 'primary' ? [view.self.name, ...names] : names;
}

/** Whether the primary takes no writes, and whose wish that is, by its own word. */
export function readOnlyOf(view: View): ClusterStatus['readOnly'] {
  const { instance } = view;
  const peer = Object.values(view.peers).find((sight) => sight.state.instance === 'primary')?.state;
  const on = instance.is === 'primary' ? instance.readOnly : (peer?.readOnly ?? null);
  const owner = instance.is === 'primary' ? view.disk?.owner : peer?.readOnlyOwner;
  return { on, owner: on === true ? (owner ?? null) : null };
}

/** The standbys that commits wait for, as the primary itself sees them; undefined when that is not known here. */
export function syncObserved(view: View): string[] | undefined {
  if (view.instance.is === 'primary') {
    return view.instance.senders
      .filter((sender) => sender.sync === 'Sync' || sender.sync === 'Quorum')
      .map((sender) => sender.name)
      .sort();
  }
  return freshPeers(view).find((peer) => peer.state.instance === 'primary')?.state.syncObserved;
}

function primaryPosition(view: View): bigint | undefined {
  if (view.instance.is === 'primary') return view.instance.written;
  const primaries = freshPeers(view).filter((peer) => peer.state.instance === 'primary');
  return primaries.sort((a, b) => b.state.term - a.state.term)[0]?.state.written;
}

function ownWord(snapshot: Snapshot): Word {
  const { view } = snapshot;
  const { instance } = view;
  const running = instance.is === 'primary' || instance.is === 'standby' || instance.is === 'pending' ? instance : undefined;
  const standby = instance.is === 'standby' ? instance : undefined;
  const why = obstacle(view, instance);
  return {
    instance: instance.is,
    role: running?.role ?? 'Unknown',
    state: running?.state ?? 'Unknown',
    detail: running?.detail ?? instance.is,
    term: standby?.term ?? running?.data.promotedTerm ?? 0,
    received: standby?.received,
    replayed: standby?.replayed,
    written: instance.is === 'primary' ? instance.written : undefined,
    eligible: why === undefined,
    reason: shownReason(why, instance, snapshot.decision.reason),
    build: view.job?.progress,
    volumes: view.volumes,
    since: view.since,
    agentVersion: view.self.version,
    paused: view.paused,
  };
}

interface Parts {
  view: View;
  name: string;
  pod: PodSight | undefined;
  word: Word | undefined;
  position: bigint | undefined;
}

function memberStatus({ view, name, pod, word, position }: Parts): MemberStatus {
  const sight = view.peers[name];
  const self = name === view.self.name;
  const standby = word?.instance === 'standby';
  return {
    name,
    uid: self ? view.self.uid : (pod?.uid ?? sight?.state.uid ?? null),
    address: self ? view.self.ip : (pod?.ip ?? null),
    ...shownState(word),
    detail: word?.detail ?? null,
    sync: syncWord(view, name),
    receivedLsn: lsnOrNull(standby ? word.received : word?.written),
    replayedLsn: lsnOrNull(standby ? word.replayed : undefined),
    lagBytes: standby ? lag(position, word.replayed ?? word.received) : null,
    term: word?.term ?? null,
    volumes: (word?.volumes ?? []).map((use) => volumeStatus(use, pod)),
    build: word?.build === undefined ? null : { ...word.build, ratio: word.build.ratio ?? null },
    readable: pod === undefined ? null : pod.labels[readableLabel] === 'true',
    eligible: word?.eligible ?? null,
    reason:
      word === undefined ? (view.pods.known && pod === undefined ? 'its pod does not exist' : 'it does not answer') : word.reason,
    since: word?.since ?? null,
    createdAt: pod?.createdAt ?? null,
    node: pod?.node ?? null,
    agentVersion: word?.agentVersion ?? null,
    paused: word?.paused ?? null,
  };
}

function volumeStatus(use: VolumeUse, pod: PodSight | undefined): VolumeStatus {
  const { mount, capacityBytes, availableBytes, usedRatio, stalled = false } = use;
  const { inodesFree = null, fillBytesPerSecond = null, fault = null, device = null, fileSystem = null, path = null } = use;
  const fullInSeconds = use.fullInSeconds === undefined ? null : Math.round(use.fullInSeconds);
  const identity = { device, fileSystem, path, claim: claimAt(path, pod) };
  return {
    mount,
    capacityBytes,
    availableBytes,
    usedRatio,
    stalled,
    inodesFree,
    fillBytesPerSecond,
    fullInSeconds,
    fault,
    ...identity,
  };
}

/** The claim mounted nearest above a path. */
function claimAt(path: string | null, pod: PodSight | undefined): string | null {
  const above = (pod?.claims ?? []).filter((one) => path === one.path || path?.startsWith(`${one.path.replace(/\/$/, '')}/`));
  return above.sort((a, b) => b.path.length - a.path.length)[0]?.claim ?? null;
}

/** openGauss's own words; a server that is down says none, but what is being made of it is known. */
function shownState(word: Word | undefined): Pick<MemberStatus, 'role' | 'state'> {
  if (word?.build !== undefined) return { role: 'Standby', state: 'Building' };
  const state = word?.instance === 'starting' ? 'Starting' : word?.state;
  return { role: word?.role ?? 'Unknown', state: state ?? 'Unknown' };
}

function lag(ahead: bigint | undefined, behind: bigint | undefined): number | null {
  if (ahead === undefined || behind === undefined) return null;
  return ahead > behind ? Number(ahead - behind) : 0;
}

function syncWord(view: View, name: string): MemberStatus['sync'] {
  if (view.instance.is === 'primary') {
    const sender = view.instance.senders.find((row) => row.name === name);
    if (sender === undefined || sender.sync === 'Unknown') return null;
    return sender.sync === 'Async' ? 'async' : sender.sync === 'Potential' ? 'potential' : 'sync';
  }
  const observed = syncObserved(view);
  if (observed === undefined || primariesOf(view).includes(name)) return null;
  return observed.includes(name) ? 'sync' : 'async';
}
