#!/bin/sh
# Owns the launch of a node: takes its name from the metadata service and completes the launch
# lifecycle action of its Auto Scaling group, with CONTINUE when the node is as it should be and with
# ABANDON when it cannot become so; the reason then stands in the console log. Runs at every boot.
set -u
umask 077
export LC_ALL=C

role=@ROLE@
cluster=@CLUSTER@
group=@CLUSTER@-@ROLE@
hook=@HOOK@

# Half of the shortest heartbeat of a hook: what has not worked by then is told while it counts.
deadline_secs=${VMIMAGE_DEADLINE_SECS:-300}
imds=http://169.254.169.254/latest
work=$(mktemp -d) || exit 1
trap 'rm -rf "$work"' EXIT

say() {
    printf 'vmimage: %s\n' "$1"
}

# Seconds since boot: the clock that chrony does not step.
uptime_secs() {
    read -r now _ </proc/uptime
    printf '%s' "${now%%.*}"
}

# Waits before another try: exponential with jitter. Returns 1 beyond the deadline.
pause() {
    [ "$(uptime_secs)" -lt "$deadline" ] || return 1
    random=$(od -An -N2 -tu2 /dev/urandom)
    wait_ms=$((backoff_ms / 2 + random % backoff_ms))
    sleep "$((wait_ms / 1000)).$(printf '%03d' $((wait_ms % 1000)))"
    backoff_ms=$((backoff_ms * 2))
    [ "$backoff_ms" -le 5000 ] || backoff_ms=5000
}

# ask FILE CURL-ARGUMENT...: one request to the metadata service; prints the status.
ask() {
    file=$1
    shift
    curl -q --silent --globoff --noproxy '*' --connect-timeout 1 --max-time 3 \
        --max-filesize 16384 --output "$file" --write-out '%{http_code}' "$@" || printf '%s' ' failed'
}

# No token travels in an argument list.
get_token() {
    until [ "$(ask "$work/token" --request PUT \
        --header 'X-aws-ec2-metadata-token-ttl-seconds: 900' "$imds/api/token")" = 200 ]; do
        pause || return 1
    done
    printf 'X-aws-ec2-metadata-token: %s\n' "$(cat "$work/token")" >"$work/header"
}

# get PATH: prints what the metadata service says. Returns 1 when it has no such thing, 2 when it
# does not say in time. The body of an error is never taken for data.
get() {
    while :; do
        code=$(ask "$work/body" --header "@$work/header" "$imds/$1")
        case $code in
        200)
            cat "$work/body"
            return 0
            ;;
        404) return 1 ;;
        401) get_token || return 2 ;;
        esac
        pause || return 2
    done
}

# must PATH: like get, for what every instance has.
must() {
    until get "$1"; do
        pause || return 1
    done
}

# One string of the credentials' JSON document.
credential() {
    sed -n 's/.*"'"$1"'"[[:space:]]*:[[:space:]]*"\([^"]*\)".*/\1/p' "$work/credentials"
}

# complete RESULT: one try; prints the status. The credentials reach curl by its standard input.
complete() {
    printf 'user = "%s:%s"\nheader = "x-amz-security-token: %s"\n' \
        "$(credential AccessKeyId)" "$(credential SecretAccessKey)" "$(credential Token)" |
        curl -q --config - --silent --connect-timeout 5 --max-time 20 --output "$work/answer" \
            --write-out '%{http_code}' --aws-sigv4 "aws:amz:$region:autoscaling" \
            --data-urlencode Action=CompleteLifecycleAction --data-urlencode Version=2011-01-01 \
            --data-urlencode "AutoScalingGroupName=$group" \
            --data-urlencode "LifecycleHookName=$hook" --data-urlencode "InstanceId=$instance" \
            --data-urlencode "LifecycleActionResult=$1" "$endpoint" || printf '%s' ' failed'
}

# tell RESULT: completes the lifecycle action, however many tries that takes.
tell() {
    why="the region is not known"
    [ -n "${region:-}" ] && [ -n "${domain:-}" ] && while :; do
        if get "meta-data/iam/security-credentials/$profile" >"$work/credentials"; then
            code=$(complete "$1")
            case $code in
            200) return 0 ;;
            4*)
                # Nothing waits: an earlier boot has told, or the group has no hook.
                if grep -q 'No active Lifecycle Action' "$work/answer"; then
                    state=$(get meta-data/autoscaling/target-lifecycle-state)
                    [ "$state" != InService ] || return 0
                fi
                ;;
            esac
            why="autoscaling answers $code $(sed -n 's:.*<Code>\(.*\)</Code>.*:\1:p' "$work/answer" 2>/dev/null)"
        else
            why="there are no credentials of $profile"
        fi
        pause || break
    done
    say "cannot complete the lifecycle action of $group with $1: $why"
    return 1
}

# From here on a failure is told to the group at once; what cannot be told, its hook abandons in time.
abandon() {
    say "$instance cannot become a node of $cluster: $1"
    deadline=$(($(uptime_secs) + 60))
    [ -z "$profile" ] || tell ABANDON
    exit 1
}

deadline=$(($(uptime_secs) + deadline_secs))
backoff_ms=100
instance=
profile=

if ! get_token || ! instance=$(must meta-data/instance-id); then
    say "the metadata service does not say who this is"
    exit 1
fi
region=$(must meta-data/placement/region) || abandon "the metadata service names no region"
domain=$(must meta-data/services/domain) || abandon "the metadata service names no domain"
endpoint=${VMIMAGE_AUTOSCALING_ENDPOINT:-https://autoscaling.$region.$domain/}
# A role's credentials may come a moment after the instance.
for _ in 1 2 3 4 5; do
    profile=$(get meta-data/iam/security-credentials/) && break
    pause || break
done
profile=$(printf '%s' "$profile" | head -n 1)

get meta-data/tags/instance >"$work/tags" || abandon "its tags cannot be read: InstanceMetadataTags is not enabled"
slot=$(get meta-data/tags/instance/vmimage:slot) && group=$group-$slot
# EC2's own word counts, where it says it.
named=$(get meta-data/tags/instance/aws:autoscaling:groupName) && group=$named
tagged=$(get meta-data/tags/instance/vmimage:role) || abandon "it has no tag vmimage:role"
[ "$tagged" = "$role" ] || abandon "its tag vmimage:role is $tagged, its launch template's role is $role"

# The first of the names that DHCP gave, without its domain.
name=$(must meta-data/local-hostname) || abandon "the metadata service does not name it"
name=${name%%[ .]*}
case $name in
'' | *[!a-z0-9-]*) abandon "its name is not one: $name" ;;
esac
hostname "$name" || abandon "its name cannot be set"

if ! get meta-data/autoscaling/target-lifecycle-state >/dev/null; then
    say "$name is a node of $cluster: $role, in no Auto Scaling group"
    exit 0
fi
[ -n "$profile" ] || abandon "it has no instance profile, so nobody can be told"
tell CONTINUE || exit 1
say "$name is a node of $cluster: $role${slot:+, slot $slot}"
