#!/bin/sh
# `agent` in the image: the bundle on the Node that came with it. The heap is capped below the container's memory, so that
# a leak ends the agent and not the server. The other options trade speed that the agent does not
# need for 10 MB less, at no measurable cost in CPU: a small and slowly growing heap, no optimising compilers, one helper thread
# of the engine. No --enable-source-maps: it costs 30 MB, and the bundle's names are readable.
exec /opt/opengauss-agent/node --max-old-space-size=128 --max-semi-space-size=1 --optimize-for-size \
  --heap-growing-percent=10 --no-opt --no-sparkplug --v8-pool-size=1 \
  /opt/opengauss-agent/agent.mjs "$@"
