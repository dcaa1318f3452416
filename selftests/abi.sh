#!/bin/bash
# SPDX-License-Identifier: MIT
#
# What the built libraries show to the world: their names, what they need, and
# what they export. Prints TAP.

set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

failed=0
number=0
# result NAME WRONG: WRONG is what is not as it should be, empty if all is well.
result() {
	number=$((number + 1))
	if [ -n "$2" ]; then
		echo "# ${2//$'\n'/$'\n'# }"
		echo "not ok $number - $1"
		failed=1
	else
		echo "ok $number - $1"
	fi
}

dynamic() {
	LC_ALL=C readelf -dW "$1" | sed -n "s/.*($2).*\[\(.*\)\]/\1/p"
}
exported() {
	nm -D --defined-only "$1" | awk '$2 != "A" { print $3 }' |
		sed 's/@.*//' | sort -u
}
# mapped MAP: the names, and patterns, that an export map makes public.
mapped() {
	sed 's,/\*.*\*/,,; s/#.*//' "$1" |
		awk '/local:/ { public = 0 } /global:/ { public = 1; sub(/.*global:/, "") }
		     public' | tr -d ' \t{}' | tr ';' '\n' | grep -v '^$' | sort -u
}

# Symbols cannot be compared with a library that is not installed: not a skip,
# since deps installs it.
jemalloc=$(ldconfig -p | sed -n 's/.*libjemalloc\.so\.2.* => //p' | head -n 1)

echo 1..11
for name in libashlar libashlar-prefixed; do
	library=build/$name.so
	soname=$(dynamic $library SONAME)
	result "$name: soname" "$([ "$soname" = $name.so.0 ] || echo "is '$soname'")"
	needed=$(dynamic $library NEEDED)
	result "$name: needs libc alone" \
		"$([ "$needed" = libc.so.6 ] || echo "needs: $needed")"
	unlisted=
	if [ -e libuser/$name.map ]; then
		patterns=$(mapped libuser/$name.map)
		while read -r symbol; do
			while read -r pattern; do
				# shellcheck disable=SC2053 # a pattern, as in the map
				[[ $symbol != $pattern ]] || continue 2
			done <<<"$patterns"
			unlisted+="$symbol is exported, but not in the map"$'\n'
		done < <(exported $library)
		unlisted+=$(comm -13 <(exported $library) \
			<(grep -v '[*?[]' <<<"$patterns") |
			sed 's/$/ is in the map, but not exported/')
	else
		unlisted="there is no libuser/$name.map"
	fi
	result "$name: exports what the map lists" "${unlisted%$'\n'}"
done
result "libashlar-prefixed: exports only ashlar_*" \
	"$(exported build/libashlar-prefixed.so | grep -v '^ashlar_')"
result "libashlar-prefixed: exports something" \
	"$([ "$(exported build/libashlar-prefixed.so | wc -l)" -gt 10 ] ||
	   echo "fewer than 10 names")"
if [ -n "$jemalloc" ]; then
	result "libashlar: exports every name of $(basename "$jemalloc")" \
		"$(comm -23 <(exported "$jemalloc") <(exported build/libashlar.so) |
		   grep -v '^je_test_hooks_' |	# hooks of its own tests
		   sed 's/$/ is missing/')"
else
	result "libashlar: exports every name of libjemalloc" \
		"libjemalloc2 is not installed: run selftests/deps check"
fi

# The Makefile's LIB_FIRST: conf.c is its last, and what is linked for it from libc and libgcc.
start=$(nm build/libashlar.so | awk '$3 == "_init" { print $1 }')
far=$(nm build/libashlar.so |
	awk '$3 ~ /^(conf_init|conf_read_file|extent_show|pthread_atfork|__popcountdi2|prof_init|_ZdaPvm)$/ { print $1, $3 }' |
	while read -r at name; do
		[ $((0x$at - 0x$start)) -le 64512 ] || echo "$name"
	done)
result "libashlar: what each process runs lies in its first 64 KB" \
	"${far:+beyond: $far (take from LIB_FIRST in the Makefile what few processes run)}"

# What starting writes: the pages of relocations, and one with the variables.
relro=$(readelf -lW build/libashlar.so | awk '$1 == "GNU_RELRO" { print $6 }')
data=$(readelf -SW build/libashlar.so | sed -n 's/^ *\[ *[0-9]*\] \.data *PROGBITS *\([0-9a-f]*\).*/\1/p')
bulk=$(nm build/libashlar.so | awk '$3 == "ash_arenas" { print $1 }')
result "libashlar: what the linker writes into is 8 KB, and the variables are 4 KB" \
	"$([ $((relro)) -le 8192 ] || echo "relocations in $((relro)) bytes (tables of pointers?)"
	   [ $((0x$bulk - 0x$data)) -lt 4096 ] || echo "$((0x$bulk - 0x$data)) bytes before ash_arenas (not BULK?)")"
exit $failed
