# SPDX-License-Identifier: MIT
# A large C file without includes: switches, loops, structures, tables.
BEGIN {
	n = scale * 25
	for (i = 0; i < n; i++) {
		print "struct s" i " { long a, b[" i % 13 + 1 "]; struct s" i " *next; char t[" i % 50 + 1 "]; };"
		print "static const int table" i "[] = {"
		for (k = 0; k < 200; k++)
			printf "%d,", (i * 31 + k * k) % 9973
		print "};"
		print "long f" i "(struct s" i " *p, int n)\n{\n\tlong r = n;"
		print "\tfor (int i = 0; i < n; i++) {\n\t\tswitch (p->a + i) {"
		for (k = 0; k < 30; k++)
			print "\t\tcase " k * (i % 5 + 1) ": r += p->b[" k % (i % 13 + 1) "] * " k + 3 " ^ table" i "[(i + " k ") % 200]; break;"
		print "\t\tdefault: r ^= p->a << (i & 7); p->t[i % " i % 50 + 1 "] += r;\n\t\t}"
		print "\t\tif (p->next && (r & " i % 16 "))\n\t\t\tp = p->next;\n\t}"
		if (i > 0)
			print "\tif (r > 1000)\n\t\tr += f" i - 1 "((void *)p->next, n - 1);"
		print "\treturn r;\n}"
	}
}
