#!/bin/sh
# SPDX-License-Identifier: MIT
#
# Runs the device tests of this directory on the machine it is on, which must
# have the module loaded: in a guest, as root. selftests/kmod/run does that.
#
# Usage: run-all.sh [PROGRAM]...
# Prints the TAP of each program, one stream after the other, and at the end
# "N passed, N failed, N skipped". Exits 0 if none failed and one passed.

cd "$(dirname "$0")" || exit 2

# The order is from the ground up; unload leaves the module freshly loaded.
[ $# -gt 0 ] || set -- uapi map zero purge lazy numa pool limit fork snapshot punch pin kill seen \
	cgroup passing inject race fuzz poison unload

passed=0
failed=0
skipped=0
for program; do
	if [ ! -x "./$program" ]; then
		echo "1..1"
		echo "not ok 1 - there is no program $program"
		failed=$((failed + 1))
		continue
	fi
	# So that the kernel log tells which test a complaint belongs to.
	[ ! -w /dev/kmsg ] || echo "ashlar selftest: $program" >/dev/kmsg
	out=$(mktemp)
	{ "./$program"; echo $? >"$out.status"; } 2>&1 | tee "$out"
	status=$(cat "$out.status")
	# "# SKIP" is the harness's; it prints such a test as "ok".
	skip=$(grep -cE '^ok .*# SKIP' "$out")
	ok=$(grep -cE '^ok ' "$out")
	not_ok=$(grep -cE '^not ok ' "$out")
	# A program that ends badly without a failed test has failed too.
	if [ "$status" -ne 0 ] && [ "$not_ok" -eq 0 ] && [ "$status" -ne 4 ]; then
		echo "1..1"
		echo "not ok 1 - $program ended with status $status"
		not_ok=1
	fi
	passed=$((passed + ok - skip))
	failed=$((failed + not_ok))
	skipped=$((skipped + skip))
	rm -f "$out" "$out.status"
done

echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
