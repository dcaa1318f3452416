# SPDX-License-Identifier: MIT
# shellcheck shell=bash
#
# What the scripts in this directory share: where the cache is, how a Debian
# package is looked up and unpacked without being installed, how to give up.

: "${ASHLAR_CACHE:=${XDG_CACHE_HOME:-$HOME/.cache}/ashlar}"
export ASHLAR_CACHE

# One sentence on stderr, then exit 125: no command's status, see run --help.
die() {
	echo "${0##*/}: $*" >&2
	exit 125
}

# newest_version PACKAGE: the version apt would install, empty if none.
newest_version() {
	LC_ALL=C apt-cache policy "$1" 2>/dev/null |
		sed -n 's/^  Candidate: //p' | grep -vx '(none)' || true
}

# newest_release SERIES: the highest release (6.12.90+deb12-cloud-amd64) of a
# kernel series (6.12) of which apt offers both an image and headers.
newest_release() {
	local series=${1//./\\.}

	LC_ALL=C apt-cache pkgnames "linux-headers-$1" |
		sed -n "s/^linux-headers-\($series\.[0-9].*-cloud-amd64\)\$/\1/p" |
		sort -V | tac |
		while read -r release; do
			if [ -n "$(image_package "$release")" ] &&
			   [ -n "$(newest_version "linux-headers-$release")" ]; then
				echo "$release"
				break
			fi
		done
}

# image_package RELEASE: the package that holds its vmlinuz; the signed and the
# unsigned one do equally well where nothing checks the signature.
image_package() {
	local name

	for name in "linux-image-$1-unsigned" "linux-image-$1"; do
		if [ -n "$(newest_version "$name")" ]; then
			echo "$name"
			return
		fi
	done
}

# unpack PACKAGE DIR: its files below DIR, without installing it; cached by name
# and version. The directory appears whole or not at all.
unpack() {
	local package=$1 dir=$2 work

	[ -e "$dir" ] && return
	mkdir -p "$(dirname "$dir")"
	work=$(mktemp -d "$dir.XXXXXX")
	# apt's sandbox user may not be able to write below $HOME; harmless.
	if ! (cd "$work" && apt-get -q download "$package" >log 2>&1); then
		cat "$work/log" >&2
		rm -rf "$work"
		die "apt-get cannot download $package: is there a network?" \
		    "Is the list fresh (apt-get update)?"
	fi
	dpkg -x "$work"/*.deb "$work/root"
	# Someone else may have been faster: theirs is as good.
	mv -T "$work/root" "$dir" 2>/dev/null || true
	rm -rf "$work"
}
