#!/bin/sh
# SPDX-License-Identifier: MIT
#
# A server on a socket of its own: data of all kinds, expiry, a snapshot by a forked
# child while writes go on, a restart from it, and the digest before and after. The
# server alone has the library if LD_PRELOAD is set.
#
# Prints replies and digests: the same whatever the malloc. Needs $scale.

preload=$LD_PRELOAD
unset LD_PRELOAD
socket=$(pwd)/socket

cli() {
	redis-cli -s "$socket" "$@"
}

start() {
	LD_PRELOAD=$preload redis-server --port 0 --unixsocket "$socket" --save '' \
		--enable-debug-command yes --daemonize no --dbfilename dump.rdb --dir "$(pwd)" \
		--logfile server.log --activedefrag no &
	server=$!
	tries=0
	until [ "$(cli ping 2>/dev/null)" = PONG ]; do
		tries=$((tries + 1))
		if [ $tries -gt 300 ] || ! kill -0 $server; then
			echo "the server did not start:"
			cat server.log
			exit 1
		fi
		sleep 0.2
	done
}

stop() {
	cli shutdown nosave
	wait $server
	echo "server: $?"
}

fill() {
	# shellcheck disable=SC2154 # the caller sets it
	awk -v scale="$scale" 'BEGIN {
		long = sprintf("%4000s", "x")
		for (i = 0; i < scale * 2000; i++) {
			print "SET key:" i, substr(long, 1, 3000 * (i % 7 == 0)) "value" i
			print "HSET hash:" i % 500, "field" i, i * 3
			print "RPUSH list:" i % 100, "element" i
			print "ZADD sorted:" i % 50, i % 777, "member" i
			print "SADD set:" i % 60, "member" i * 7
			if (i % 3 == 0)
				print "APPEND grows:" i % 20, substr(long, 1, i % 300) i
			if (i % 5 == 0)
				print "DEL key:" i - 4
		}
	}' | sed 's/$/\r/' | cli --pipe | grep replies
}

start
fill
cli debug populate $((scale * 20000)) many 100
cli dbsize
cli debug digest
# The child saves what there was; the parent goes on.
cli bgsave
cli eval 'for i = 1, 20000 do redis.call("SET", "late:" .. i % 3000, string.rep("y", i % 500)) end return "written"' 0
until cli info persistence | grep -q '^rdb_bgsave_in_progress:0'; do
	sleep 0.1
done
cli info persistence | grep -o 'rdb_last_bgsave_status:[a-z]*'
cli debug digest
cli save
stop
start
cli debug digest
cli debug reload
cli debug digest
cli memory purge
cli eval 'for i = 0, 9999 do redis.call("DEL", "many:" .. i) end return redis.call("DBSIZE")' 0
redis-benchmark -s "$socket" -n $((scale * 1000)) -c 20 -P 8 -d 200 -t set,get,lpush,lrange_100 \
	-r 1000 -q >benchmark.log 2>&1
echo "benchmark: $?"
cli flushall
cli dbsize
stop
rm -f dump.rdb
