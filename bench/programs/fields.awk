# SPDX-License-Identifier: MIT
# Associative arrays and fields: group, count, rewrite. Prints counts.

function random(n) {
	seed = (seed * 1103515245 + 12345) % 2147483648
	return int(seed / 65536) % n
}

BEGIN {
	seed = 1
	for (n = 0; n < 6000 * percent; n++) {
		line = "u" random(5000) " " random(97) " path/" random(300) "/" random(40)
		split(line, f, /[ \/]/)
		hits[f[1]] += f[2]
		seen[f[1], f[4]] = seen[f[1], f[4]] substr(line, 1, f[2] % 12)
		gsub(/path/, "p", line)
		chars += length(line)
		if (n % 150000 == 149999)
			delete seen
	}
	for (u in hits)
		total += hits[u] * length(u)
	print chars, total
}
