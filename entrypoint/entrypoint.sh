#!/usr/bin/env bash
# PID 1 of the container, and the fence (I1): it kills the server whose deadline passed unrenewed, whatever the agent does.
# Two processes of this one script: the fence is PID 1 and runs builtins only, no fork, no volume, no network, no log pipe, so
# that nothing can block it (a fork is retried for seconds where the pids of a cgroup have run out); the supervisor, its child,
# runs the preflight, starts the agent again after reaping the last, and does all the talking.
# It never starts, stops or promotes a server, and SIGTERM goes to the agent only: openGauss takes a SIGTERM for a fast stop.
set -ufo pipefail
# shellcheck source=entrypoint/env.sh
. "${BASH_SOURCE[0]%/*}/env.sh"

# All times are centiseconds of boot time. No honest deadline is beyond the horizon, but garbage glued to a line may seem to be.
readonly horizon=60000 tick=10
declare -A deadlines=() # "pid start-time" -> when to kill it
now=0 pause=0.10 line='' supervisor='' agent='' code=0 spoilt=0 stopping=0

clock() { # -> now
  read -r now _ </proc/uptime || exit 70
  now=$((10#${now/./}))
}

identify() { # pid -> process, "pid start-time" (field 22; the name in field 2 may hold anything)
  local stat='' fields
  { IFS= read -r -d '' stat <"/proc/$1/stat"; } 2>/dev/null
  # shellcheck disable=SC2206 # Splitting is meant, and nothing expands (-f); a regular expression costs ten times as much.
  fields=(${stat##*) }) && process="$1 ${fields[19]-}" && ((${#fields[@]} > 19))
}

# "pid start-time": not yet reaped, and not a later process of the same number
alive() { local process='' && identify "${1% *}" && [[ $process == "$1" ]]; }

take() { # one line of the FIFO; anything but a well-formed line about a process that exists changes nothing
  [[ $1 =~ ^([0-9]{1,10})\.([0-9]{2})\ ([1-9][0-9]{0,8})\ ([1-9][0-9]{0,17})$ ]] || return
  local until=$((10#${BASH_REMATCH[1]}${BASH_REMATCH[2]})) process="${BASH_REMATCH[3]} ${BASH_REMATCH[4]}"
  ((!stopping && until <= now + horizon && ${process% *} > 1)) && alive "$process" || return
  # A deadline never moves back; servers are armed beside each other, and a few at most.
  local before=${deadlines[$process]:-0}
  ((until > before)) || until=$before
  ((before > 0 || ${#deadlines[@]} < 8)) || return
  deadlines[$process]=$until
  printf '%d.%02d %s\n' $((until / 100)) $((until % 100)) "$process" 2>/dev/null >"$fifo.echo"
}

enforce() { # kills what is due, forgets what is reaped; -> pause, how long nothing can become due
  local process left next=$tick
  for process in "${!deadlines[@]}"; do
    left=$((deadlines[$process] - now))
    if ! alive "$process"; then
      unset "deadlines[$process]"
      ((left > 0)) || kill -USR1 "${supervisor% *}" 2>/dev/null
    elif ((left <= 0)); then
      kill -KILL "${process% *}" 2>/dev/null # again every tick, until it is reaped
    elif ((left < next)); then
      next=$left
    fi
  done
  printf -v pause '0.%02d' "$next"
}

fence() { # one turn: deadlines first, so that after a freeze no line is believed before what is due was killed
  local part='' status=0
  clock
  enforce
  IFS= read -r -t "$pause" -n 128 -u 9 part || status=$?
  ((status == 0 || status > 128)) || exit 70
  line+=$part
  if ((${#line} >= 128)); then # overlong: void up to its end
    line='' spoilt=1
  elif ((status == 0)); then
    clock
    ((spoilt)) || take "$line"
    line='' spoilt=0
  fi
}

say() { # level, message, and further JSON fields
  printf '{"level":"%s","time":"%(%FT%TZ)T","component":"entrypoint","msg":"%s"%s}\n' "$1" -1 "$2" "${3:+,$3}" >&2
}

start() { # arguments of the agent -> agent, "pid start-time"
  local process=''
  "${command[@]}" "$@" 8>&- &
  identify "$!" || process="$! 0"
  agent=$process
  printf '%s\n' "$agent" >"$OG_RUN_DIR/agent.pid"
  ((!stopping)) || kill -TERM "$!" 2>/dev/null # it came before the new process was known
}

reap() { # -> code; a trapped signal ends bash's wait early, and of a child reaped already it still has the status
  while alive "$agent"; do wait "${agent% *}"; done
  wait "${agent% *}" && code=0 || code=$?
}

nap() { # centiseconds, cut short by the agent's end and by SIGTERM; on descriptor 8 nothing ever comes
  clock
  local end=$((now + $1))
  while ((now < end && !stopping)) && { [[ -z $agent ]] || alive "$agent"; }; do read -r -t 0.05 -u 8 || clock; done
}

supervise() {
  local delay=10 began=0
  trap 'stopping=1; kill -TERM "${agent% *}" 2>/dev/null' TERM
  trap 'say error "the server was killed: its deadline passed unrenewed"' USR1
  exec 9>&- 8<> <(:)
  start preflight
  nap $((OG_PREFLIGHT_SECONDS * 100))
  if alive "$agent" && ((!stopping)); then
    say fatal "the preflight did not end in time" "\"seconds\":$OG_PREFLIGHT_SECONDS"
    kill -KILL "${agent% *}" 2>/dev/null
    exit 124 # without waiting: on a hung volume not even SIGKILL ends it
  fi
  reap
  ((code == 0)) && claim || exit "$code"
  while ((!stopping)); do
    clock && began=$now
    start run
    reap
    ((stopping || code == 78)) && break
    clock && ((now - began < 1000)) || delay=10
    say warn "the agent ended and is started again" "\"exitCode\":$code,\"delayMs\":${delay}0"
    agent=''
    nap "$delay"
    ((delay = delay * 2 > 500 ? 500 : delay * 2))
  done
  exit "$code"
}

read -r -a command <<<"$OG_AGENT_COMMAND"
# The run directory may outlive the container; what lies there speaks of processes that are gone.
fifo=$OG_RUN_DIR/fence
if ! { mkdir -p "$OG_RUN_DIR" && rm -f "$fifo" "$fifo.echo" "$OG_RUN_DIR/agent.pid" && mkfifo "$fifo" && exec 9<>"$fifo"; }; then
  say fatal "the run directory cannot be used" "\"directory\":\"$OG_RUN_DIR\",\"hint\":\"OG_RUN_DIR must be a tmpfs that this user may write\""
  exit 78
fi
# Once per container: every agent started here is the same holder of the lease.
read -r OG_INCARNATION </proc/sys/kernel/random/uuid
export OG_INCARNATION OG_ENTRYPOINT_PID=$$
supervise &
identify "$!" || process="$! 0"
supervisor=$process
trap 'kill -TERM "${supervisor% *}" 2>/dev/null' TERM INT HUP
while alive "$supervisor"; do fence; done
wait "${supervisor% *}" && code=0 || code=$?
# Nobody renews any more: what is armed ends now. Only where the supervisor itself was killed is there an agent left.
stopping=1
IFS= read -r agent <"$OG_RUN_DIR/agent.pid" && alive "$agent" && kill -KILL "${agent% *}" 2>/dev/null
for process in "${!deadlines[@]}"; do deadlines[$process]=0; done
((give_up = now + 1000))
while ((${#deadlines[@]} > 0 && now < give_up)); do fence; done
exit "$code"
