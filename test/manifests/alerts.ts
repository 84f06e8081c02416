/**
 * Scenes for the alerts: what Prometheus has scraped, and which alerts fire on it at the end. Everything of a healthy
 * cluster is there unless a scene says otherwise, so that a scene also tells which alerts stay silent.
 */

/** Series in promtool's notation: `start+step x times`, `_` for no sample. */
export type Series = Record<string, string>;

export interface Scene {
  title: string;
  series: Series;
  /** promtool's duration from the start of the series. */
  at: string;
  fires: string[];
}

const cluster = 'namespace="db", cluster="demo"';

/** The name of a series of one member. */
export function of(member: number, metric: string, labels = ''): string {
  return `opengauss_agent_${metric}{${cluster}, job="opengauss", pod="og-demo-${member}"${labels === '' ? '' : `, ${labels}`}}`;
}

/** An hour and a quarter of a cluster of three that is well, one sample a minute. */
export const healthy: Series = Object.fromEntries(
  [0, 1, 2].flatMap((member) => [
    [`up{${cluster}, job="opengauss", pod="og-demo-${member}"}`, '1x75'],
    [of(member, 'role', 'role="Primary"'), `${member === 0 ? 1 : 0}x75`],
    [of(member, 'role', 'role="Standby"'), `${member === 0 ? 0 : 1}x75`],
    [of(member, 'has_lease'), `${member === 0 ? 1 : 0}x75`],
    [of(member, 'multiple_primaries'), '0x75'],
    [of(member, 'lease_transitions_total'), '3x75'],
    [of(member, 'permit_margin_seconds_bucket', 'le="2"'), '0x75'],
    [of(member, 'fences_total', 'reason="permit-lost"'), '0x75'],
    [of(member, 'paused'), '0x75'],
    [of(member, 'cycles_total', 'reason="leads"'), '0+30x75'],
    [of(member, 'kube_request_seconds_count', 'code="200"'), '0+20x75'],
    [of(member, 'kube_request_seconds_count', 'code="timeout"'), '0x75'],
    [of(member, 'log_lines_dropped_total'), '0x75'],
    [of(member, 'sync_degraded'), '0x75'],
    [of(member, 'members', 'state="Normal"'), '3x75'],
    [of(member, 'builds_total', 'mode="full", outcome="failed"'), '0x75'],
    [of(member, 'volume_used_ratio', 'mount="data"'), '0.4x75'],
    [of(member, 'volume_available_bytes', 'mount="data"'), '6e10x75'],
    [of(member, 'volume_inodes_free', 'mount="data"'), '1e6x75'],
    [of(member, 'volume_probe_stalled', 'mount="data"'), '0x75'],
    [of(member, 'volume_state', 'mount="data", state="fine"'), '1x75'],
    [of(member, 'volume_state', 'mount="data", state="failed"'), '0x75'],
    ...(member === 0
      ? [
          [of(0, 'replication_lag_bytes', 'standby="og-demo-1"'), '4096x75'],
          [of(0, 'read_only', 'owner="nobody"'), '0x75'],
        ]
      : []),
  ]),
);

const nobodyPrimary = { [of(0, 'role', 'role="Primary"')]: '1x59 0x60' };

export const scenes: Scene[] = [
  { title: 'a healthy cluster', series: {}, at: '75m', fires: [] },
  { title: 'a failover of half a minute', series: { [of(0, 'role', 'role="Primary"')]: '1x59 0 1x59' }, at: '61m', fires: [] },
  { title: 'a cluster without a primary', series: nobodyPrimary, at: '62m', fires: ['OpenGaussNoPrimary'] },
  {
    title: 'a cluster of one member, whose role is Normal',
    series: { [of(0, 'role', 'role="Primary"')]: '0x75', [of(0, 'role', 'role="Normal"')]: '1x75' },
    at: '75m',
    fires: [],
  },
  {
    title: 'two members that say that they are primary',
    series: { [of(1, 'multiple_primaries')]: '0x59 1x60' },
    at: '60m',
    fires: ['OpenGaussMultiplePrimaries'],
  },
  {
    title: 'two members with a permit',
    series: { [of(1, 'has_lease')]: '0x59 1x60' },
    at: '60m',
    fires: ['OpenGaussMultiplePrimaries'],
  },
  {
    title: 'a lease that changes hands every ten minutes',
    series: { [of(2, 'lease_transitions_total')]: '0+0.1x75' },
    at: '75m',
    fires: ['OpenGaussLeaseChurn'],
  },
  {
    title: 'renewals that come late again and again',
    series: { [of(0, 'permit_margin_seconds_bucket', 'le="2"')]: '0+1x75' },
    at: '75m',
    fires: ['OpenGaussRenewalsLate'],
  },
  {
    title: 'a server that was killed by its agent',
    series: { [of(0, 'fences_total', 'reason="permit-lost"')]: '0x70 1x5' },
    at: '75m',
    fires: ['OpenGaussFenced'],
  },
  {
    title: 'a cluster that was paused an hour ago',
    series: { [of(0, 'paused')]: '0x10 1x65' },
    at: '75m',
    fires: ['OpenGaussPaused'],
  },
  { title: 'a cluster that was just paused', series: { [of(0, 'paused')]: '0x65 1x10' }, at: '75m', fires: [] },
  {
    title: 'an agent that does not answer',
    series: { [`up{${cluster}, job="opengauss", pod="og-demo-2"}`]: '1x65 0x10' },
    at: '75m',
    fires: ['OpenGaussAgentDown'],
  },
  {
    title: 'an agent whose loop stands still',
    series: { [of(2, 'cycles_total', 'reason="leads"')]: '0+30x55 1650x20' },
    at: '75m',
    fires: ['OpenGaussAgentStalled'],
  },
  {
    title: 'an agent whose requests time out',
    series: {
      [of(2, 'kube_request_seconds_count', 'code="200"')]: '0+20x55 1100x20',
      [of(2, 'kube_request_seconds_count', 'code="timeout"')]: '0x55 0+20x20',
    },
    at: '75m',
    fires: ['OpenGaussApiServerUnreachable'],
  },
  {
    title: 'conflicts and absences, which are ordinary answers',
    series: { [of(2, 'kube_request_seconds_count', 'code="409"')]: '0+60x75' },
    at: '75m',
    fires: [],
  },
  {
    title: 'log lines that nobody read',
    series: { [of(1, 'log_lines_dropped_total')]: '0x70 7x5' },
    at: '75m',
    fires: ['OpenGaussLogLinesDropped'],
  },
  {
    title: 'a primary that goes on without a standby',
    series: { [of(0, 'sync_degraded')]: '0x70 1x5' },
    at: '75m',
    fires: ['OpenGaussDegraded'],
  },
  {
    title: 'a member that nobody has heard of',
    series: { [of(0, 'members', 'state="Unknown"')]: '1x75' },
    at: '75m',
    fires: ['OpenGaussMemberMissing'],
  },
  {
    title: 'a standby that lags',
    series: { [of(0, 'replication_lag_bytes', 'standby="og-demo-1"')]: '3e7x75' },
    at: '75m',
    fires: ['OpenGaussReplicationLag'],
  },
  {
    title: 'a build that failed',
    series: { [of(2, 'builds_total', 'mode="full", outcome="failed"')]: '0x65 1x10' },
    at: '75m',
    fires: ['OpenGaussBuildFailed'],
  },
  {
    title: 'a volume that is nearly full',
    series: {
      [of(1, 'volume_used_ratio', 'mount="data"')]: '0.9x75',
      [of(1, 'volume_state', 'mount="data", state="fine"')]: '0x75',
      [of(1, 'volume_state', 'mount="data", state="warn"')]: '1x75',
    },
    at: '75m',
    fires: ['OpenGaussVolumeNearlyFull'],
  },
  {
    title: 'a volume that is full',
    series: {
      [of(1, 'volume_used_ratio', 'mount="data"')]: '0.82x75',
      [of(1, 'volume_state', 'mount="data", state="fine"')]: '0x75',
      [of(1, 'volume_state', 'mount="data", state="read-only"')]: '1x75',
    },
    at: '75m',
    fires: ['OpenGaussVolumeFull'],
  },
  {
    title: 'a volume that fills up',
    series: {
      [of(1, 'volume_used_ratio', 'mount="data"')]: '0.7x75',
      [of(1, 'volume_available_bytes', 'mount="data"')]: '2e10-1e8x75',
    },
    at: '75m',
    fires: ['OpenGaussVolumeFillingUp'],
  },
  {
    title: 'a volume without inodes',
    series: { [of(1, 'volume_inodes_free', 'mount="data"')]: '12x75' },
    at: '75m',
    fires: ['OpenGaussVolumeInodesLow'],
  },
  {
    title: 'a volume that does not answer',
    series: { [of(1, 'volume_probe_stalled', 'mount="data"')]: '0x65 1x10' },
    at: '75m',
    fires: ['OpenGaussVolumeStalled'],
  },
  {
    title: 'a volume that was remounted read-only',
    series: {
      [of(1, 'volume_state', 'mount="data", state="fine"')]: '1x70 0x5',
      [of(1, 'volume_state', 'mount="data", state="failed"')]: '0x70 1x5',
    },
    at: '75m',
    fires: ['OpenGaussVolumeFailed'],
  },
  {
    title: 'a primary that its agent has made read-only',
    series: { [of(0, 'read_only', 'owner="agent"')]: '1x75' },
    at: '75m',
    fires: ['OpenGaussReadOnly'],
  },
  {
    title: 'a primary that people have made read-only',
    series: { [of(0, 'read_only', 'owner="human"')]: '1x75' },
    at: '75m',
    fires: [],
  },
];
