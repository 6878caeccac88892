#!/bin/sh
# Kills validators under load, 200 times or as often as the first argument says, and prints a table.
# The second argument repeats the random moments of an earlier run by its seed.
set -eu
cd "$(dirname "$0")/.."
MEDANCHOR_KILLS="${1:-200}"
export MEDANCHOR_KILLS
if [ $# -gt 1 ]; then
    MEDANCHOR_SEED="$2"
    export MEDANCHOR_SEED
fi
cargo build --release --package medanchor-node --package medanchor-audit
exec cargo test --release --package medanchor-tests --test kill_nine -- --nocapture
