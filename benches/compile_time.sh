#!/bin/sh
# Compiles a chain of fifty stages as it is compiled after an edit: this one program, optimised,
# its dependencies built before, under cargo's own release profile: this workspace's links with fat
# LTO, which compiles all dependencies again. Fails above the promised five seconds.
set -eu
cd "$(dirname "$0")"
most=5000

cargo build --quiet --profile user-release -p millstream-benches --bin fifty
touch src/bin/fifty.rs
before=$(date +%s%N)
cargo build --quiet --profile user-release -p millstream-benches --bin fifty
milliseconds=$((($(date +%s%N) - before) / 1000000))

echo "a chain of fifty stages compiles in $milliseconds ms; promised: $most ms"
[ "$milliseconds" -le "$most" ]
