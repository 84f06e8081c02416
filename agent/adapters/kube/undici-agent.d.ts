/** The one part of undici that is loaded: its index would bring fetch, caches and proxies along (docs/decisions). */
declare module 'undici/lib/dispatcher/agent.js' {
  import { Agent } from 'undici';

  export default Agent;
}
