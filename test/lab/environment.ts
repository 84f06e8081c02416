/**
 * What a member's container is started with: the command, and the environment that the manifests and the kubelet would
 * give it. The agent's settings are named here and nowhere else in the lab.
 */
import type { Ports } from './addresses.ts';
import type { MemberPlace } from './place.ts';

/** The database's initial user. */
export const superuser = 'omm';

export interface MemberSetting {
  namespace: string;
  cluster: string;
  pod: string;
  uid: string;
  ip: string;
  ports: Ports;
  place: MemberPlace;
  binDir: string;
  gaussHome: string;
  pace: 'fast' | 'real';
  postgresBin: string | undefined;
  kubeUrl: string;
  mark: string;
}

/** The whole environment; nothing of the lab's own leaks in but PATH. */
export function memberEnv(setting: MemberSetting): Record<string, string> {
  const { ports, place } = setting;
  const [markName = '', markValue = ''] = setting.mark.split('=');
  return {
    PATH: `${setting.binDir}:${process.env['PATH'] ?? '/usr/local/bin:/usr/bin:/bin'}`,
    HOME: place.dir,
    LANG: 'C.UTF-8',
    TZ: 'UTC',
    [markName]: markValue,
    POD_NAME: setting.pod,
    POD_NAMESPACE: setting.namespace,
    POD_IP: setting.ip,
    POD_UID: setting.uid,
    OG_CLUSTER: setting.cluster,
    OG_DATA_DIR: place.dataDir,
    OG_SUPERUSER: superuser,
    OG_PORT: String(ports.client),
    OG_HA_PORT: String(ports.ha),
    OG_HA_PORT_ADVERTISED: String(ports.haAdvertised),
    OG_PEER_PORT_ADVERTISED: String(ports.peerAdvertised),
    OG_BIND_ADDRESS: setting.ip,
    OG_HTTP_PORT: String(ports.http),
    OG_PEER_PORT: String(ports.peer),
    OG_READY_PORT: String(ports.ready),
    OG_SOCKET_DIR: place.socketDir,
    OG_RUN_DIR: place.runDir,
    OG_AUTH_DIR: place.authDir,
    OG_SERVICE_ACCOUNT_DIR: place.serviceAccountDir,
    OG_KUBE_URL: setting.kubeUrl,
    GAUSSHOME: setting.gaussHome,
    OG_STANDIN_PACE: setting.pace,
    ...(setting.postgresBin === undefined ? {} : { OG_STANDIN_POSTGRES: setting.postgresBin }),
  };
}
