#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Includes point down. The rooms (a room is NAME.c and NAME.h) are named top room
# first in libuser/LAYERS, and for kmod by the order of the objects in Kbuild,
# below which come headers without a .c. A file may include headers of its own
# room and of rooms below. Prints TAP, one test for each directory.

set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

# rooms DIRECTORY: their names, top room first.
rooms() {
	local header

	case $1 in
	libuser)
		sed 's/#.*//' libuser/LAYERS | awk 'NF { print $1 }'
		;;
	kmod)
		sed -n 's,^ashlar-y.*kmod/\(.*\)\.o$,\1,p' Kbuild
		for header in kmod/*.h; do
			[ -e "${header%.h}.c" ] || basename "$header" .h
		done
		;;
	esac
}

# check DIRECTORY: prints what is wrong, one thing a line.
check() {
	local dir=$1 room file header target
	declare -A rank=()
	local lines=0

	while read -r room; do
		[ -z "${rank[$room]:-}" ] || echo "the list of $dir names $room twice"
		lines=$((lines + 1))
		rank[$room]=$lines
		compgen -G "$dir/$room.[ch]" >/dev/null ||
			echo "the list of $dir names $room, which has no file"
	done < <(rooms "$dir")

	for file in "$dir"/*.[ch]; do
		room=$(basename "${file%.*}")
		if [ -z "${rank[$room]:-}" ]; then
			echo "$file is not in the list of $dir"
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
