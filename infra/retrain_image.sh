#!/usr/bin/env bash
# Builds the retrain image, pushes it to this account's ECR, and prints what RetrainImageUri has to
# be: the image by its digest, so that a stack says which one it runs. It takes the AWS CLI with
# credentials, and a container engine (ENGINE: docker, podman).
set -euo pipefail
cd "$(dirname "$0")/.."

engine=${ENGINE:-docker}
repository=${REPOSITORY:-earshot-retrain}
architecture=${ARCHITECTURE:-x86_64}
case $architecture in
    x86_64) platform=linux/amd64 ;;
    arm64) platform=linux/arm64 ;;
    *) echo "ARCHITECTURE is x86_64 or arm64, not $architecture." >&2; exit 2 ;;
esac
region=${AWS_REGION:-${AWS_DEFAULT_REGION:-$(aws configure get region || true)}}
if [ -z "$region" ]; then
    echo "No region: set AWS_REGION, or say aws configure." >&2
    exit 2
fi
export AWS_REGION=$region

account=$(aws sts get-caller-identity --query Account --output text)
domain=amazonaws.com
case $region in cn-*) domain=amazonaws.com.cn ;; esac
registry=$account.dkr.ecr.$region.$domain
tag=$(git rev-parse --short=12 HEAD)-$architecture

if ! aws ecr describe-repositories --repository-names "$repository" >/dev/null 2>&1; then
    aws ecr create-repository --repository-name "$repository" \
        --image-scanning-configuration scanOnPush=true \
        --encryption-configuration encryptionType=AES256 >/dev/null
    aws ecr put-lifecycle-policy --repository-name "$repository" --lifecycle-policy-text \
        '{"rules":[{"rulePriority":1,"description":"Nobody trains with older ones.",
          "selection":{"tagStatus":"any","countType":"imageCountMoreThan","countNumber":10},
          "action":{"type":"expire"}}]}' >/dev/null
fi
aws ecr get-login-password | "$engine" login --username AWS --password-stdin "$registry" >&2
"$engine" build --platform "$platform" -f functions/retrain/Dockerfile \
    -t "$registry/$repository:$tag" . >&2
"$engine" push "$registry/$repository:$tag" >&2

digest=$(aws ecr describe-images --repository-name "$repository" \
    --image-ids "imageTag=$tag" --query 'imageDetails[0].imageDigest' --output text)
echo "$registry/$repository@$digest"
