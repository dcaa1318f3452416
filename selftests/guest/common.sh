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

# flavour SERIES: what Debian calls the kernels of a series: 6.12 stands for its cloud
# kernels, 6.12-rt for those with PREEMPT_RT.
flavour() {
	case $1 in
	*-rt) echo rt-amd64 ;;
	*) echo cloud-amd64 ;;
	esac
}

# newest_kernel SERIES: "RELEASE IMAGE-PACKAGE VERSION" of the newest kernel of a
# series (6.12, 6.12-rt) of which apt offers both headers and an image; nothing if
# there is none. Signed and unsigned images do equally well where nothing checks.
# Asking apt takes a second, so the answer is kept until its lists change.
newest_kernel() {
	local memo=$ASHLAR_CACHE/kernel/newest-$1 series=${1%-rt} flavour names

	flavour=$(flavour "$1")
	series=${series//./\\.}

	if [ -s "$memo" ] && [ "$memo" -nt /var/lib/apt/lists ]; then
		cat "$memo"
		return
	fi
	mkdir -p "$ASHLAR_CACHE/kernel"
	names=$(LC_ALL=C apt-cache pkgnames linux- | sed -n \
		"/^linux-\(headers\|image\)-$series\.[0-9].*-$flavour\(-unsigned\)\?\$/p")
	# shellcheck disable=SC2086 # words
	LC_ALL=C apt-cache policy ${names:-none} 2>/dev/null | awk '
		/^linux-/ { sub(/:$/, ""); name = $0 }
		/^  Candidate:/ && $2 != "(none)" {
			release = name
			sub(/^linux-(headers|image)-/, "", release)
			sub(/-unsigned$/, "", release)
			if (name ~ /^linux-headers/)
				headers[release] = 1
			else {
				image[release] = name
				version[release] = $2
			}
		}
		END {
			for (release in headers)
				if (release in image)
					print release, image[release], version[release]
		}' | sort -V | tail -n 1 >"$memo"
	cat "$memo"
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
