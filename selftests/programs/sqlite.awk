# SPDX-License-Identifier: MIT
# Statements for sqlite3: tables, indexes, joins, strings that grow, JSON, rollbacks.
BEGIN {
	n = scale * 5000
	print "PRAGMA cache_size = -8000; PRAGMA journal_mode = memory;"
	print "CREATE TABLE t (id INTEGER PRIMARY KEY, a INTEGER, b TEXT, c BLOB);"
	print "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < " n ")"
	print " INSERT INTO t SELECT i, (i * 7919) % 10007, 'text ' || i || ' ' ||"
	print " substr(hex(zeroblob(100)), 1, i % 200), zeroblob(i % 300) FROM n;"
	print "CREATE INDEX ta ON t (a); CREATE INDEX tb ON t (b);"
	print "SELECT count(*), sum(a), sum(length(b)), sum(length(c)) FROM t;"
	print "SELECT a, count(*) AS k, max(b) FROM t GROUP BY a ORDER BY k DESC, a LIMIT 30;"
	print "SELECT count(*) FROM t x JOIN t y ON x.a = y.a WHERE x.id < " n / 20 ";"
	print "SELECT length(group_concat(b)) FROM t;"
	print "SELECT sum(json_extract(j, '$.v[3]')) FROM (SELECT json_object('v', json_array(a, id, a + id, id * 2)) AS j FROM t);"
	for (i = 0; i < 200; i++) {
		print "BEGIN; UPDATE t SET b = b || '" i "' WHERE a % 200 = " i ";"
		print "DELETE FROM t WHERE id % 1000 = " i "; " (i % 3 ? "COMMIT" : "ROLLBACK") ";"
	}
	print "SELECT count(*), sum(length(b)) FROM t;"
	print "SELECT b FROM t ORDER BY b DESC LIMIT 50;"
	print "VACUUM; PRAGMA integrity_check;"
}
