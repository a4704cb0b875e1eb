#!/bin/sh
# Chromium inside a network namespace. Its driver talks to it over a pipe, so the driver may live in another one.
exec ip netns exec "$PARLOUR_TEST_NETNS" "$PARLOUR_TEST_CHROMIUM" "$@"
