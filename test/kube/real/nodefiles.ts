/**
 * What a node under test is configured with: containerd, the pods' network, kubelet, kube-proxy, and the script that is
 * its PID 1. Texts only. Each odd line is there because something refuses to run without it on a shared machine.
 */
import type { Place } from './wires.ts';

export interface NodeSetting {
  name: string;
  place: Place;
  /** The node's own directory. */
  dir: string;
  /** Certificate and key of the kubelet, and the authority's certificate. */
  certificate: string;
  key: string;
  authority: string;
  /** Path of the group in every hierarchy. */
  cgroup: string;
  dns: string;
  kubelet: string;
  kubeProxy: string;
  kubeletConfig: string;
  proxyConfig: string;
  archives: string[];
  /** The size of its local volume, a file system of its own; without it, a directory of the machine's disk. */
  volumeMiB?: number;
  /** How soon after the last time kube-proxy writes its rules again; without it, its own default of a second. */
  minSyncPeriod?: string;
}

const socket = '/run/containerd/containerd.sock';

/** Without the option for scores, containers do not start where negative ones are refused. */
export function containerdText({ dir }: NodeSetting): string {
  return `version = 2
root = "${dir}/containerd"
state = "/run/containerd/state"
oom_score = 0
[grpc]
  address = "${socket}"
[plugins."io.containerd.internal.v1.opt"]
  path = "${dir}/opt"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "lab.local/pause:1"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
      [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
        SystemdCgroup = false
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "${dir}/cni"
`;
}

export function podNetworkText({ place }: NodeSetting): string {
  const ranges = [[{ subnet: `${place.podNetwork}.0/24` }]];
  const ipam = { type: 'host-local', dataDir: '/run/cni', ranges, routes: [{ dst: '0.0.0.0/0' }] };
  const bridge = { type: 'bridge', bridge: 'cni0', isGateway: true, hairpinMode: true, ipam };
  const portmap = { type: 'portmap', capabilities: { portMappings: true } };
  return JSON.stringify({ cniVersion: '0.4.0', name: 'lab', plugins: [bridge, portmap] });
}

export function kubeletText(setting: NodeSetting): string {
  return JSON.stringify({
    apiVersion: 'kubelet.config.k8s.io/v1beta1',
    kind: 'KubeletConfiguration',
    address: setting.place.ip,
    authentication: { anonymous: { enabled: false }, webhook: { enabled: true }, x509: { clientCAFile: setting.authority } },
    authorization: { mode: 'Webhook' },
    tlsCertFile: setting.certificate,
    tlsPrivateKeyFile: setting.key,
    cgroupDriver: 'cgroupfs',
    // Machines with version 1 of control groups are refused otherwise.
    failCgroupV1: false,
    cgroupRoot: `/${setting.cgroup}/kube`,
    enforceNodeAllocatable: ['pods'],
    containerRuntimeEndpoint: `unix://${socket}`,
    resolvConf: `${setting.dir}/resolv.conf`,
    clusterDomain: 'cluster.local',
    clusterDNS: [setting.dns],
    // Images come from archives: what is thrown away cannot be fetched again.
    imageGCHighThresholdPercent: 100,
    evictionHard: { 'memory.available': '100Mi', 'nodefs.available': '1%', 'imagefs.available': '1%' },
    oomScoreAdj: 0,
  });
}

export function proxyText({ place, name, proxyConfig, minSyncPeriod }: NodeSetting): string {
  return JSON.stringify({
    apiVersion: 'kubeproxy.config.k8s.io/v1alpha1',
    kind: 'KubeProxyConfiguration',
    mode: 'iptables',
    ...(minSyncPeriod === undefined ? {} : { iptables: { minSyncPeriod } }),
    bindAddress: place.ip,
    healthzBindAddress: `${place.ip}:10256`,
    metricsBindAddress: '127.0.0.1:10249',
    clientConnection: { kubeconfig: proxyConfig },
    hostnameOverride: name,
    clusterCIDR: '10.86.0.0/16',
    oomScoreAdj: 0,
    // These limits belong to the whole machine and cannot be set from a namespace.
    conntrack: { maxPerCore: 0, min: 0, tcpEstablishedTimeout: '0s', tcpCloseWaitTimeout: '0s' },
  });
}

/** Kernel settings that kubelet insists on: it is shown private files, and the machine keeps its own. */
const kernel = [
  'kernel/panic=10',
  'kernel/panic_on_oops=1',
  'vm/overcommit_memory=1',
  'vm/panic_on_oom=0',
  'kernel/keys/root_maxkeys=1000000',
  'kernel/keys/root_maxbytes=25000000',
];

/** An image on the node's disk, which outlives its power; XFS, as it can be grown while it is used. */
function volumeText(mib: number): string {
  return `[ -e volume.img ] || { truncate -s ${mib}M volume.img; mkfs.xfs -q volume.img; }
# The mount of the life before may not be gone yet.
until mount -o loop volume.img volume 2>>log/volume.log; do sleep 0.1; done
chown 70:70 volume
`;
}

/** PID 1 of a node. Its mounts are its own; what is in /run is gone when it ends, as on a machine without power. */
export function initText(setting: NodeSetting): string {
  const { dir, name, place } = setting;
  return `#!/bin/bash
set -e
mount --make-rprivate /
mount --make-rshared /
mount -t tmpfs none /run
mount -t tmpfs none /var/lib
mount --bind ${dir}/log /var/log
mkdir -p /run/containerd /run/netns /var/log/pods /var/log/containers
for pair in ${kernel.join(' ')}; do
  file=/run/$(echo "\${pair%=*}" | tr / _)
  echo "\${pair#*=}" >"$file"
  mount --bind "$file" "/proc/sys/\${pair%=*}"
done
cd ${dir}
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
${setting.volumeMiB === undefined ? '' : volumeText(setting.volumeMiB)}containerd -c containerd.toml >log/containerd.log 2>&1 &
until ctr -a ${socket} version >/dev/null 2>&1; do sleep 0.05; done
for archive in ${setting.archives.join(' ')}; do
  mark=imported.\${archive##*/}
  [ -e "$mark" ] || { ctr -a ${socket} -n k8s.io images import "$archive" >>log/import.log 2>&1 && touch "$mark"; }
done
${setting.kubeProxy} --config=proxy.json >log/kube-proxy.log 2>&1 &
# A kubelet that ends is started again, as by systemd.
while :; do
  ${setting.kubelet} --config=kubelet.json --kubeconfig=${setting.kubeletConfig} --hostname-override=${name} --node-ip=${place.ip} \\
    --root-dir=${dir}/kubelet --node-labels=kubernetes.io/hostname=${name},topology.kubernetes.io/zone=zone-${name} --v=2 >>log/kubelet.log 2>&1 || true
  sleep 0.2
done
`;
}

/** The router: a node's rules for Services, and nothing else. */
export function routerText(setting: NodeSetting): string {
  return `#!/bin/bash
export PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
mount -t tmpfs none /run
cd ${setting.dir}
exec ${setting.kubeProxy} --config=proxy.json >log/kube-proxy.log 2>&1
`;
}
