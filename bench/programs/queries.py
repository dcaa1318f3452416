# SPDX-License-Identifier: MIT
"""Writes the SQL for sqlite3: fill, index, join, group, update, delete, text."""

import sys

rows = 2500 * int(sys.argv[1])
print(f"""
PRAGMA journal_mode = MEMORY;
PRAGMA cache_size = -65536;
CREATE TABLE item (id INTEGER PRIMARY KEY, kind INT, name TEXT, body TEXT);
WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
INSERT INTO item SELECT i, i * 7919 % 1009, 'name' || (i * 31 % 50021),
	substr('the quick brown fox jumps over the lazy dog', i % 20, 5 + i % 30) FROM n;
CREATE INDEX by_name ON item (name);
CREATE INDEX by_kind ON item (kind, id);
SELECT kind, count(*), sum(length(body)), max(name) FROM item GROUP BY kind ORDER BY 3 DESC LIMIT 20;
SELECT count(*), sum(a.id) FROM item a JOIN item b ON a.name = b.name AND a.id < b.id;
UPDATE item SET body = body || upper(name) WHERE kind % 3 = 0;
DELETE FROM item WHERE kind % 5 = 0;
SELECT group_concat(x) FROM (SELECT DISTINCT substr(body, 1, 3) x FROM item ORDER BY x);
SELECT count(DISTINCT json_extract(json_object('n', name, 'b', body), '$.b')) FROM item;
SELECT sum(length(replace(body, 'o', '00'))) FROM item;
""")
