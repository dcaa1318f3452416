#!/bin/sh
# SPDX-License-Identifier: MIT
#
# The story the demo tells, the same in the guest and natively: a redis server on
# the library is filled, saves a snapshot while clients write on, a second
# server loads the snapshot, everything is deleted, memory goes back.
#
# Usage: story.sh LIBRARY KEYS VALUE-SIZE
#
# Prints what happens, and lines "= NAME VALUE" for demo/run, which judges them.
# Needs redis-server and redis-cli in PATH, and only POSIX tools besides.

library=$1
keys=$2
size=$3
here=$(dirname "$0")

dir=$(mktemp -d)
server=
second=
trap 'kill $server $second 2>/dev/null; wait; rm -rf "$dir"' EXIT

say() {
	echo "  $*"
}
fact() {
	echo "= $*"
}
give_up() {
	echo "story: $*" >&2
	cat "$dir"/*.log >&2
	exit 1
}
# ask SERVER COMMAND...
ask() {
	socket=$dir/$1.sock
	shift
	redis-cli -s "$socket" "$@"
}
# info SERVER FIELD: one number of INFO.
info() {
	ask "$1" info all | tr -d '\r' | sed -n "s/^$2://p"
}

# start NAME: a server; in the background, until it answers.
start() {
	# In the guest the server is kept on the CPUs of node 1, so that "its own
	# node" is not the one that everything starts on.
	LD_PRELOAD=$library $pin redis-server "$here/redis.conf" \
		--unixsocket "$dir/$1.sock" --dir "$dir" --dbfilename "$2" \
		>"$dir/$1.log" 2>&1 &
	pid=$!
	tries=0
	until [ "$(ask "$1" ping 2>/dev/null)" = PONG ]; do
		kill -0 $pid 2>/dev/null || give_up "the server $1 died"
		tries=$((tries + 1))
		[ $tries -lt 1200 ] || give_up "the server $1 does not answer"
		sleep 0.1
	done
}

# --- where the server's memory is, from the kernel's own books ---
# smaps PID: kB resident, on huge pages, of the device, of the device on them.
smaps() {
	awk '/^[0-9a-f]+-[0-9a-f]+ / { device = / \/dev\/ashlar/ }
	     $1 == "Rss:" { rss += $2; if (device) of_device += $2 }
	     $1 == "FilePmdMapped:" || $1 == "AnonHugePages:" {
		huge += $2; if (device) device_huge += $2 }
	     END { print rss + 0, huge + 0, of_device + 0, device_huge + 0 }' \
		"/proc/$1/smaps"
}
# pages_by_node PID NODE: kB of the device's memory on that node, and in all.
pages_by_node() {
	awk -v own="$2" '/file=\/dev\/ashlar/ {
		kb = 4
		for (i = 1; i <= NF; i++)
			if (split($i, part, "=") == 2 && part[1] == "kernelpagesize_kB")
				kb = part[2]
		for (i = 1; i <= NF; i++)
			if ($i ~ /^N[0-9]+=/) {
				split($i, part, "=")
				all += part[2] * kb
				if (part[1] == "N" own)
					here += part[2] * kb
			}
	     } END { print here + 0, all + 0 }' "/proc/$1/numa_maps" 2>/dev/null
}
# pool COUNTER: the sum of it over the nodes.
pool() {
	cat /sys/devices/virtual/misc/ashlar/node*/"$1" 2>/dev/null |
		awk '{ sum += $1 } END { print sum + 0 }'
}

# --- what clients send, many keys a command ---
# burst SEED: 2000 writes to random keys.
burst() {
	awk -v keys="$keys" -v seed="$1" 'BEGIN {
		srand(seed)
		for (i = 0; i < 20; i++) {
			printf "MSET"
			for (j = 0; j < 100; j++)
				printf " key:%d written-meanwhile", rand() * keys
			print ""
		}
	}'
}
deletions() {
	awk -v keys="$keys" 'BEGIN {
		for (i = 0; i < keys; i += 500) {
			printf "DEL"
			for (j = i; j < i + 500; j++)
				printf " key:%d", j
			print ""
		}
	}'
}

node=
pin=
if [ -e /dev/ashlar ] && [ -e /sys/devices/system/node/node1/cpulist ]; then
	node=1
	pin="taskset -c $(cat /sys/devices/system/node/node1/cpulist)"
fi

# --- fill ---
start first dump.rdb
server=$pid
say "redis-server $(info first redis_version) runs with the library preloaded" \
    "(pid $server)"
hits=$(pool hits)
misses=$(pool misses)
ask first debug populate "$keys" key "$size" >/dev/null || give_up "no fill"
say "filled: $(info first used_memory_human) in $(ask first dbsize) keys"
# shellcheck disable=SC2046 # four and two words
fact full $(smaps $server)
if [ -n "$node" ]; then
	# shellcheck disable=SC2046
	fact node $node $(pages_by_node $server $node)
	fact pool $(($(pool hits) - hits)) $(($(pool misses) - misses))
fi
fact allocator "$(info first allocator_allocated)" \
	"$(info first allocator_active)" "$(info first allocator_resident)" \
	"$(info first used_memory)"

# --- save a snapshot while writing on ---
before=$(ask first debug digest)
ask first bgsave >/dev/null
bursts=0
while [ "$(info first rdb_bgsave_in_progress)" = 1 ]; do
	burst $bursts | ask first >/dev/null || give_up "the server refused a write"
	# Only a burst that ended before the saving did counts.
	[ "$(info first rdb_bgsave_in_progress)" = 0 ] || bursts=$((bursts + 1))
done
[ "$(info first rdb_last_bgsave_status)" = ok ] || give_up "BGSAVE failed"
say "saved a snapshot of $(($(wc -c <"$dir/dump.rdb") / 1000000)) MB," \
    "$((bursts * 2000)) writes going on meanwhile"
after=$(ask first debug digest)
# shellcheck disable=SC2046
fact saved $(smaps $server)
fact writes $((bursts * 2000))

start second dump.rdb
second=$pid
loaded=$(ask second debug digest)
say "a second server loaded it: digest $(echo "$loaded" | cut -c1-12)..."
fact digests "$before" "$loaded" "$after"
ask second shutdown nosave 2>/dev/null
wait $second
second=

# --- delete, give back ---
# Key by key: FLUSHALL would purge by itself.
deletions | ask first >/dev/null || give_up "the server refused to delete"
[ "$(ask first dbsize)" = 0 ] || give_up "some keys are left"
# shellcheck disable=SC2046
fact deleted $(smaps $server)
ask first memory purge >/dev/null
# shellcheck disable=SC2046
fact purged $(smaps $server)
say "deleted everything, then MEMORY PURGE"
ask first ping >/dev/null || give_up "the server is gone"
