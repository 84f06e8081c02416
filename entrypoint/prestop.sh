#!/usr/bin/env bash
# The container's preStop hook, and a graceful restart by hand: begins the hand-over now, whatever stop signal the base image
# names. It waits for nothing: once the pod is being deleted its endpoint is gone, and every moment counts as a write gap.
kill -TERM "${OG_ENTRYPOINT_PID:-1}"
