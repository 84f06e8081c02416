# shellcheck shell=bash
# The environment of everything in the container: what PID 1 itself needs, and what every child shall have. It sets
# defaults, overrides nothing and judges nothing: the agent's settings table and its preflight do.
# GAUSSHOME/lib is not put on LD_LIBRARY_PATH here: openGauss brings its own libstdc++, which Node must not load. The
# agent sets it for openGauss's programs alone.

# The same messages everywhere: the agent reads the output of openGauss's programs.
export LC_ALL=C LANG=C TZ=${TZ:-UTC}
export GAUSSHOME=${GAUSSHOME:-/usr/local/opengauss}
export PATH=$GAUSSHOME/bin:${PATH:-/usr/local/bin:/usr/bin:/bin}
export OG_RUN_DIR=${OG_RUN_DIR:-/run/opengauss-agent}
# Four stuck calls on a hung volume would use up libuv's usual four threads, and with them every other file and name look-up.
export UV_THREADPOOL_SIZE=${UV_THREADPOOL_SIZE:-16}
# One arena for all of them: the agent allocates little, and each arena keeps what was freed in it.
export MALLOC_ARENA_MAX=${MALLOC_ARENA_MAX:-1}

# The command that runs the agent, split at blanks; no quoting.
OG_AGENT_COMMAND=${OG_AGENT_COMMAND:-agent}
# How long the preflight may take before the container gives up.
OG_PREFLIGHT_SECONDS=${OG_PREFLIGHT_SECONDS:-60}
[[ $OG_PREFLIGHT_SECONDS =~ ^[1-9][0-9]{0,4}$ ]] || OG_PREFLIGHT_SECONDS=60

umask 077

# One container at a time works on a volume. A pod that was deleted by force may still run beside its successor on the same
# node, where nothing else keeps two servers off one data directory: their process numbers mean nothing to each other. The
# supervisor and the agents keep descriptor 7, so the lock ends with the container.
claim() {
  local dir=${OG_DATA_DIR:-/var/lib/opengauss} told=0 code=0
  # A volume that is not there or not to be written was judged by the preflight.
  { [[ -w $dir ]] && mkdir -p "$dir/agent" && exec 7>>"$dir/agent/container.lock"; } 2>/dev/null || return 0
  until flock -w 1 -E 99 7 2>/dev/null; do
    code=$?
    ((${stopping-0} == 0)) || exit 0
    # A file system without locks, or a machine without the program.
    ((code == 99)) || { say warn "the volume cannot be locked" "\"exitCode\":$code"; return 0; }
    ((told)) || say warn "another container still works on this volume; this one waits for its end"
    told=1
  done
}
