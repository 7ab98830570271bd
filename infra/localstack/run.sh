#!/usr/bin/env bash
# Deploys template.yaml to LocalStack by `sam deploy`, and runs tests/localstack against it.
#
# With Docker LocalStack comes by compose.yaml; without, it runs on this machine, in Python 3.13,
# with a plugin for what it wants Docker for; MODE=docker or MODE=host says which. KEEP=1 leaves it
# running, for a look at it. IF_POSSIBLE=1 makes neither being here no error.
set -euo pipefail
cd "$(dirname "$0")/../.."
port=${LOCALSTACK_PORT:-4566}
# The free edition has no ECR: the image is never pulled.
image=000000000000.dkr.ecr.us-east-1.amazonaws.com/predict:latest
url=http://127.0.0.1:$port
export AWS_ENDPOINT_URL=$url AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test
export AWS_DEFAULT_REGION=us-east-1 SAM_CLI_TELEMETRY=0
unset AWS_PROFILE AWS_SESSION_TOKEN

find_python() {
    local found
    for found in "${LOCALSTACK_PYTHON:-}" python3.13 "$HOME"/.pyenv/versions/3.13.*/bin/python; do
        if [ -n "$found" ] && "$found" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' \
            2>/dev/null; then
            echo "$found"
            return
        fi
    done
    return 1
}

if [ "${MODE:-docker}" = docker ] && docker info >/dev/null 2>&1; then
    compose=(docker compose -f infra/localstack/compose.yaml)
    export EARSHOT_LAYER=$PWD/.aws-sam/build/EarshotLayer LOCALSTACK_PORT=$port
    end() { "${compose[@]}" down --volumes; }
    docker build --quiet --tag "$image" --file functions/predict/Dockerfile .
    "${compose[@]}" up --detach --wait
elif [ "${MODE:-host}" = host ] && python=$(find_python); then
    bin=.venv-localstack/bin
    if ! [ -f .venv-localstack/installed ]; then
        echo "Installing LocalStack into .venv-localstack (once, a minute or two) …"
        "$python" -m venv .venv-localstack
        # What the free edition of 4.14 asks for and does not name.
        $bin/pip install -qq --disable-pip-version-check 'localstack-core[runtime]==4.14.0' \
            cbor2==5.9.0 cryptography==46.0.7 pyopenssl==25.3.0 service-identity==24.2.0 setuptools
        $bin/pip install -qq --disable-pip-version-check --no-build-isolation \
            infra/localstack/plugin
        touch .venv-localstack/installed
    fi
    data=$(mktemp -d)
    # A function's files are read by nobody.
    chmod 755 "$data"
    env -u AWS_ENDPOINT_URL -u AWS_DEFAULT_REGION \
        GATEWAY_SERVER=hypercorn GATEWAY_LISTEN=127.0.0.1:"$port" DNS_ADDRESS=0 DISABLE_EVENTS=1 \
        SKIP_SSL_CERT_DOWNLOAD=1 LAMBDA_RUNTIME_EXECUTOR=host PROVIDER_OVERRIDE_DYNAMODB=moto \
        PROVIDER_OVERRIDE_DYNAMODBSTREAMS=moto LOCALSTACK_VOLUME_DIR="$data" \
        TMPDIR="$data" PYTHONPATH="$PWD" \
        $bin/python -m localstack.runtime.main >"${LOCALSTACK_LOG:-/dev/null}" 2>&1 &
    server=$!
    end() {
        kill "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
        rm -rf "$data"
    }
else
    echo "LocalStack was left out: there is neither Docker nor Python 3.13 here." >&2
    exit $((${IF_POSSIBLE:-0} ? 0 : 1))
fi
[ -n "${KEEP:-}" ] || trap end EXIT

for _ in $(seq 120); do
    curl -sf "$url/_localstack/health" >/dev/null && break
    sleep 0.5
done
sed "s|^\( *\)PackageType: Image\$|&\n\1ImageUri: $image|" \
    .aws-sam/build/template.yaml >.aws-sam/build/localstack.yaml
.venv-sam/bin/sam deploy --template-file .aws-sam/build/localstack.yaml \
    --config-file "$PWD/samconfig.toml" --config-env localstack
EARSHOT_LOCALSTACK=$url .venv/bin/python -m pytest tests/localstack -p no:cacheprovider "$@"
