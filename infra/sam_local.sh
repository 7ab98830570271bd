#!/usr/bin/env bash
# Builds all functions as `sam build` does, images too, and has `sam local` run them on the events
# in tests/events. With Docker, or with podman, which is started as Docker's stand-in.
#
# Where no registry of images is reached, the base image has to be in podman's store under the name
# that the Dockerfile has it by; docs/runtimes.md says how one is made.
set -euo pipefail
cd "$(dirname "$0")/.."

if ! docker info >/dev/null 2>&1; then
    command -v podman >/dev/null || {
        echo "make sam-local takes Docker or podman, and neither is here." >&2
        exit 1
    }
    folder=$(mktemp -d)
    cat >"$folder/containers.conf" <<'CONF'
[engine]
runtime="runc"
cgroup_manager="cgroupfs"
events_logger="file"
[containers]
default_ulimits=["nofile=20000:20000","nproc=30000:30000"]
netns="host"
CONF
    # What pip needs here to find its packages, the build needs as well.
    volumes=$(for file in /etc/ssl/certs/ca-certificates.crt /etc/pip.conf; do
        [ ! -f "$file" ] || printf '"%s:%s:ro",' "$file" "$file"
    done)
    echo "volumes=[${volumes%,}]" >>"$folder/containers.conf"
    export CONTAINERS_CONF=$folder/containers.conf DOCKER_HOST=unix://$folder/podman.sock
    podman system service --time=0 "$DOCKER_HOST" 2>/dev/null &
    trap 'kill $!; rm -rf "$folder"' EXIT
fi

export SAM_CLI_TELEMETRY=0
.venv-sam/bin/sam build --build-dir .aws-sam/local
EARSHOT_SAM_LOCAL=.aws-sam/local/template.yaml .venv/bin/python -m pytest tests/sam_local "$@"
