#!/bin/sh
# `agent` in the image: the bundle on the Node that came with it. The heap is capped below the container's memory, so that
# a leak ends the agent and not the server. The other options are for a program that does little, and the same again and
# again: no compiler that needs a warm-up it never gets to the end of, one thread for a heap that is small, room for the young so
# that little of it grows old. No --enable-source-maps: it costs 30 MB, and the bundle's names are readable.
exec /opt/opengauss-agent/node --max-old-space-size=128 --min-semi-space-size=2 --max-semi-space-size=2 --optimize-for-size \
  --heap-growing-percent=60 --no-opt --no-maglev --single-threaded-gc --v8-pool-size=1 \
  /opt/opengauss-agent/agent.mjs "$@"
