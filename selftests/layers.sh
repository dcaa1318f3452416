#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Includes point down. kmod/LAYERS and libuser/LAYERS name the rooms (a room is
# NAME.c and NAME.h), top room first; a file may include headers of its own room
# and of rooms below. Prints TAP, one test for each directory.

set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

# check DIRECTORY: prints what is wrong, one thing a line.
check() {
	local dir=$1 room file header target
	declare -A rank=()
	local lines=0

	while read -r room _; do
		case $room in '' | '#'*) continue ;; esac
		[ -z "${rank[$room]:-}" ] || echo "$dir/LAYERS names $room twice"
		lines=$((lines + 1))
		rank[$room]=$lines
		compgen -G "$dir/$room.[ch]" >/dev/null ||
			echo "$dir/LAYERS names $room, which has no file"
	done <"$dir/LAYERS"

	for file in "$dir"/*.[ch]; do
		room=$(basename "${file%.*}")
		if [ -z "${rank[$room]:-}" ]; then
			echo "$file is not in $dir/LAYERS"
			continue
		fi
		while read -r header; do
			[ -e "$dir/$header" ] || continue	# not ours
			target=$(basename "${header%.*}")
			[ -n "${rank[$target]:-}" ] || continue	# said above
			[ "${rank[$target]}" -ge "${rank[$room]}" ] ||
				echo "$file includes $header, which is above it"
		done < <(sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*"\(.*\)".*/\1/p' "$file")
	done
}

echo 1..2
failed=0
number=0
for dir in kmod libuser; do
	number=$((number + 1))
	if [ ! -e $dir/LAYERS ]; then
		echo "not ok $number - layers of $dir: there is no $dir/LAYERS"
		failed=1
		continue
	fi
	wrong=$(check $dir)
	if [ -n "$wrong" ]; then
		echo "# ${wrong//$'\n'/$'\n'# }"
		echo "not ok $number - layers of $dir"
		failed=1
	else
		echo "ok $number - layers of $dir"
	fi
done
exit $failed
