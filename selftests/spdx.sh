#!/bin/bash
# SPDX-License-Identifier: MIT
#
# Each tracked file says its licence in its first lines, and the right one: the
# module is GPL-2.0, the header that programs include as well is so with the
# syscall note, everything else is MIT. Prints TAP.

set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")/.."

# licence FILE: what it must say; nothing for files that cannot say anything.
licence() {
	case $1 in
	LICENSES/* | packaging/debian/changelog) ;;
	include/uapi/*) echo "GPL-2.0 WITH Linux-syscall-note" ;;
	kmod/* | Kbuild) echo "GPL-2.0" ;;
	.gitignore | */.gitignore | *.svg | *.png | *.golden | */corpus/*) ;;
	*) echo "MIT" ;;
	esac
}

wrong=()
count=0
while IFS= read -r -d '' file; do
	[ -f "$file" ] || continue
	expected=$(licence "$file")
	[ -n "$expected" ] || continue
	count=$((count + 1))
	said=$(head -n 5 "$file" | sed -n 's/.*SPDX-License-Identifier: *//p' |
	       sed 's, *\(\*/\|-->\)\? *$,,; s/",$//' | head -n 1)
	[ "$said" = "$expected" ] ||
		wrong+=("$file: says '${said:-nothing}', must say '$expected'")
done < <(git ls-files -z)

echo 1..1
if [ $count -eq 0 ]; then
	echo "not ok 1 - licences: no tracked file found"
	exit 1
fi
if [ ${#wrong[@]} -gt 0 ]; then
	printf '# %s\n' "${wrong[@]}"
	echo "not ok 1 - licences: ${#wrong[@]} of $count files are wrong"
	exit 1
fi
echo "ok 1 - licences: $count files"
