-- eq
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."small" = $1 [1]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE `k"d`.`small` = ? [1]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."small" = ? [1]
-- eq none
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."real" IS NULL []
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE `k"d`.`real` IS NULL []
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."real" IS NULL []
-- ne none
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."real" IS NOT NULL []
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE `k"d`.`real` IS NOT NULL []
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."real" IS NOT NULL []
-- ne
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."small" <> $1 [1]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE `k"d`.`small` <> ? [1]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."small" <> ? [1]
-- lt le
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."small" < $1 AND "k""d"."small" <= $2 [1, 2]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE `k"d`.`small` < ? AND `k"d`.`small` <= ? [1, 2]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."small" < ? AND "k""d"."small" <= ? [1, 2]
-- gt ge
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."small" > $1 AND "k""d"."small" >= "k""d"."small" + $2 [1, 1]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE `k"d`.`small` > ? AND `k"d`.`small` >= `k"d`.`small` + ? [1, 1]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."small" > ? AND "k""d"."small" >= "k""d"."small" + ? [1, 1]
-- between
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."small" BETWEEN $1 AND $2 [1, 2]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE `k"d`.`small` BETWEEN ? AND ? [1, 2]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."small" BETWEEN ? AND ? [1, 2]
-- between of sums
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."small" + $1 BETWEEN "k""d"."small" - $2 AND "k""d"."small" * $3 [1, 2, 2]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE `k"d`.`small` + ? BETWEEN `k"d`.`small` - ? AND `k"d`.`small` * ? [1, 2, 2]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."small" + ? BETWEEN "k""d"."small" - ? AND "k""d"."small" * ? [1, 2, 2]
-- not between and
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE NOT ("k""d"."small" BETWEEN $1 AND $2) AND "k""d"."flag" = $3 [1, 2, true]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE NOT (`k"d`.`small` BETWEEN ? AND ?) AND `k"d`.`flag` = ? [1, 2, true]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE NOT ("k""d"."small" BETWEEN ? AND ?) AND "k""d"."flag" = ? [1, 2, true]
-- is null
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."note" IS NULL OR "k""d"."note" IS NOT NULL []
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE `k"d`.`note` IS NULL OR `k"d`.`note` IS NOT NULL []
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."note" IS NULL OR "k""d"."note" IS NOT NULL []
-- is null of a sum
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."real" + $1 IS NULL [1.5]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE `k"d`.`real` + ? IS NULL [1.5]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."real" + ? IS NULL [1.5]
-- is null of a comparison
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE ("k""d"."small" = $1) IS NULL [1]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE (`k"d`.`small` = ?) IS NULL [1]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE ("k""d"."small" = ?) IS NULL [1]
-- eq of comparisons
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE ("k""d"."small" = $1) = ("k""d"."small" > $2) [1, 2]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE (`k"d`.`small` = ?) = (`k"d`.`small` > ?) [1, 2]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE ("k""d"."small" = ?) = ("k""d"."small" > ?) [1, 2]
-- columns
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."other_id" = "node"."id" AND "node"."id" = "k""d"."other_id" []
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE `k"d`.`other_id` = `node`.`id` AND `node`.`id` = `k"d`.`other_id` []
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."other_id" = "node"."id" AND "node"."id" = "k""d"."other_id" []
-- decimal beside a column
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."price" > $1 [1.5d]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE `k"d`.`price` > ? [1.5d]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."price" > ? [1.5d]
-- decimal beside a sum
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."price" + $1 > $2 [1d, 1.5d]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE `k"d`.`price` + ? > ? [1d, 1.5d]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE CAST("k""d"."price" + ? AS NUMERIC) > CAST(? AS NUMERIC) [1d, 1.5d]
-- decimal between
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."price" * $1 BETWEEN $2 AND "k""d"."price" + $3 [2d, 1d, 10d]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE `k"d`.`price` * ? BETWEEN ? AND `k"d`.`price` + ? [2d, 1d, 10d]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE CAST("k""d"."price" * ? AS NUMERIC) BETWEEN CAST(? AS NUMERIC) AND "k""d"."price" + ? [2d, 1d, 10d]
-- flag
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."flag" []
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE `k"d`.`flag` []
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."flag" []
-- not flag
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE NOT "k""d"."flag" []
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE NOT `k"d`.`flag` []
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE NOT "k""d"."flag" []
-- raw
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE 1 = 1 or 2 = 2 []
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE 1 = 1 or 2 = 2 []
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE 1 = 1 or 2 = 2 []
-- rows
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE ("pair"."left", "pair"."right") < ($1, $2) [1, "x"]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE (`pair`.`left`, `pair`.`right`) < (?, ?) [1, "x"]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE ("pair"."left", "pair"."right") < (?, ?) [1, "x"]
-- rows of expressions
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE ("pair"."left", "pair"."weight") <> ("pair"."left" + $1, $2) [1, 7]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE (`pair`.`left`, `pair`.`weight`) <> (`pair`.`left` + ?, ?) [1, 7]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE ("pair"."left", "pair"."weight") <> ("pair"."left" + ?, ?) [1, 7]
-- and and
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."small" = $1 AND "k""d"."name" > $2 AND "k""d"."flag" = $3 [1, "x", true]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE `k"d`.`small` = ? AND `k"d`.`name` > ? AND `k"d`.`flag` = ? [1, "x", true]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."small" = ? AND "k""d"."name" > ? AND "k""d"."flag" = ? [1, "x", true]
-- and (and)
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."small" = $1 AND ("k""d"."name" > $2 AND "k""d"."flag" = $3) [1, "x", true]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE `k"d`.`small` = ? AND (`k"d`.`name` > ? AND `k"d`.`flag` = ?) [1, "x", true]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."small" = ? AND ("k""d"."name" > ? AND "k""d"."flag" = ?) [1, "x", true]
-- or or
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."small" = $1 OR "k""d"."name" > $2 OR "k""d"."flag" = $3 [1, "x", true]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE `k"d`.`small` = ? OR `k"d`.`name` > ? OR `k"d`.`flag` = ? [1, "x", true]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."small" = ? OR "k""d"."name" > ? OR "k""d"."flag" = ? [1, "x", true]
-- or (or)
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."small" = $1 OR ("k""d"."name" > $2 OR "k""d"."flag" = $3) [1, "x", true]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE `k"d`.`small` = ? OR (`k"d`.`name` > ? OR `k"d`.`flag` = ?) [1, "x", true]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."small" = ? OR ("k""d"."name" > ? OR "k""d"."flag" = ?) [1, "x", true]
-- and in or
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE ("k""d"."small" = $1 AND "k""d"."name" > $2) OR ("k""d"."flag" = $3 AND "k""d"."note" IS NULL) [1, "x", true]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE (`k"d`.`small` = ? AND `k"d`.`name` > ?) OR (`k"d`.`flag` = ? AND `k"d`.`note` IS NULL) [1, "x", true]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE ("k""d"."small" = ? AND "k""d"."name" > ?) OR ("k""d"."flag" = ? AND "k""d"."note" IS NULL) [1, "x", true]
-- or in and
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE ("k""d"."small" = $1 OR "k""d"."name" > $2) AND ("k""d"."flag" = $3 OR "k""d"."note" IS NULL) [1, "x", true]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE (`k"d`.`small` = ? OR `k"d`.`name` > ?) AND (`k"d`.`flag` = ? OR `k"d`.`note` IS NULL) [1, "x", true]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE ("k""d"."small" = ? OR "k""d"."name" > ?) AND ("k""d"."flag" = ? OR "k""d"."note" IS NULL) [1, "x", true]
-- not and
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE NOT ("k""d"."small" = $1 AND "k""d"."name" > $2) AND NOT ("k""d"."flag" = $3) [1, "x", true]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE NOT (`k"d`.`small` = ? AND `k"d`.`name` > ?) AND NOT (`k"d`.`flag` = ?) [1, "x", true]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE NOT ("k""d"."small" = ? AND "k""d"."name" > ?) AND NOT ("k""d"."flag" = ?) [1, "x", true]
-- not not
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE NOT (NOT ("k""d"."small" = $1)) [1]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE NOT (NOT (`k"d`.`small` = ?)) [1]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE NOT (NOT ("k""d"."small" = ?)) [1]
-- not in or
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE NOT ("k""d"."small" = $1) OR NOT ("k""d"."note" IS NULL) [1]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE NOT (`k"d`.`small` = ?) OR NOT (`k"d`.`note` IS NULL) [1]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE NOT ("k""d"."small" = ?) OR NOT ("k""d"."note" IS NULL) [1]
-- not of a flag
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE NOT "k""d"."flag" OR "k""d"."flag" []
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE NOT `k"d`.`flag` OR `k"d`.`flag` []
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE NOT "k""d"."flag" OR "k""d"."flag" []
-- eq of not
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE (NOT ("k""d"."small" = $1)) = (NOT ("k""d"."name" > $2)) [1, "x"]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE (NOT (`k"d`.`small` = ?)) = (NOT (`k"d`.`name` > ?)) [1, "x"]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE (NOT ("k""d"."small" = ?)) = (NOT ("k""d"."name" > ?)) [1, "x"]
-- raw and
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE (1 = 1 or 2 = 2) AND "k""d"."small" = $1 [1]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE (1 = 1 or 2 = 2) AND `k"d`.`small` = ? [1]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE (1 = 1 or 2 = 2) AND "k""d"."small" = ? [1]
-- not raw
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE NOT (1 = 1 or 2 = 2) []
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE NOT (1 = 1 or 2 = 2) []
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE NOT (1 = 1 or 2 = 2) []
-- raw beside
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE (1 + 1) > "k""d"."small" []
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE (1 + 1) > `k"d`.`small` []
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE (1 + 1) > "k""d"."small" []
-- five
postgres: SELECT "k""d"."id", "k""d"."flag", "k""d"."small", "k""d"."large", "k""d"."real", "k""d"."price", "k""d"."name", "k""d"."note", "k""d"."uuid", "k""d"."plain", "k""d"."told", "k""d"."at", "k""d"."bytes", "k""d"."tags", "k""d"."map", "k""d"."extra", "k""d"."other_id" FROM "s`1"."k""d" WHERE "k""d"."small" = $1 AND "k""d"."name" > $2 AND "k""d"."flag" = $3 AND "k""d"."note" IS NULL AND "k""d"."id" < $4 [1, "x", true, 9]
mysql: SELECT `k"d`.`id`, `k"d`.`flag`, `k"d`.`small`, `k"d`.`large`, `k"d`.`real`, `k"d`.`price`, `k"d`.`name`, `k"d`.`note`, `k"d`.`uuid`, `k"d`.`plain`, `k"d`.`told`, `k"d`.`at`, `k"d`.`bytes`, `k"d`.`tags`, `k"d`.`map`, `k"d`.`extra`, `k"d`.`other_id` FROM `s``1`.`k"d` WHERE `k"d`.`small` = ? AND `k"d`.`name` > ? AND `k"d`.`flag` = ? AND `k"d`.`note` IS NULL AND `k"d`.`id` < ? [1, "x", true, 9]
sqlite: SELECT "k""d"."id", "k""d"."flag", "k""d"."small", "k""d"."large", "k""d"."real", "k""d"."price", "k""d"."name", "k""d"."note", "k""d"."uuid", "k""d"."plain", "k""d"."told", "k""d"."at", "k""d"."bytes", "k""d"."tags", "k""d"."map", "k""d"."extra", "k""d"."other_id" FROM "s`1"."k""d" WHERE "k""d"."small" = ? AND "k""d"."name" > ? AND "k""d"."flag" = ? AND "k""d"."note" IS NULL AND "k""d"."id" < ? [1, "x", true, 9]
-- in nothing
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE 1 = 0 []
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE 1 = 0 []
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE 1 = 0 []
-- not in nothing
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE NOT (1 = 0) []
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE NOT (1 = 0) []
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE NOT (1 = 0) []
-- in numbers
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."small" = ANY($1) [array ["1", "2", "3"]]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE `k"d`.`small` IN (?, ?, ?) [1, 2, 3]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."small" IN (?, ?, ?) [1, 2, 3]
-- not in texts
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE NOT ("k""d"."name" = ANY($1)) [array ["\"a\"", "\"b\""]]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE NOT (`k"d`.`name` IN (?, ?)) ["a", "b"]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE NOT ("k""d"."name" IN (?, ?)) ["a", "b"]
-- in with null
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."real" = ANY($1) OR "k""d"."real" IS NULL [array ["1.5"]]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE `k"d`.`real` IN (?) OR `k"d`.`real` IS NULL [1.5]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."real" IN (?) OR "k""d"."real" IS NULL [1.5]
-- in null
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."real" IS NULL []
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE `k"d`.`real` IS NULL []
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."real" IS NULL []
-- in and
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."small" = ANY($1) AND "k""d"."name" = ANY($2) [array ["1", "2"], array ["\"a\""]]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE `k"d`.`small` IN (?, ?) AND `k"d`.`name` IN (?) [1, 2, "a"]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."small" IN (?, ?) AND "k""d"."name" IN (?) [1, 2, "a"]
-- sum in
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."small" + $1 = ANY($2) [1, array ["1", "2"]]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE `k"d`.`small` + ? IN (?, ?) [1, 1, 2]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."small" + ? IN (?, ?) [1, 1, 2]
-- in expressions
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."small" IN ("k""d"."small" + $1, CAST($2 AS integer)) [1, 7]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE `k"d`.`small` IN (`k"d`.`small` + ?, CAST(? AS SIGNED)) [1, 7]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."small" IN ("k""d"."small" + ?, ?) [1, 7]
-- in arrays
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."tags" IN ($1, $2) [array ["\"a\""], array []]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE `k"d`.`tags` IN (?, ?) [array ["\"a\""], array []]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."tags" IN (?, ?) [array ["\"a\""], array []]
-- in uuids
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."uuid" = ANY($1) OR "k""d"."plain" = ANY($2) [array ["[00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00]"], array ["00000000-0000-0000-0000-000000000000", "ffffffff-ffff-ffff-ffff-ffffffffffff"]]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE `k"d`.`uuid` IN (?) OR `k"d`.`plain` IN (?, ?) [[00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00], 00000000-0000-0000-0000-000000000000, ffffffff-ffff-ffff-ffff-ffffffffffff]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."uuid" IN (?) OR "k""d"."plain" IN (?, ?) [[00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00], 00000000-0000-0000-0000-000000000000, ffffffff-ffff-ffff-ffff-ffffffffffff]
-- in documents
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."extra" IN ($1) [json 1]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE `k"d`.`extra` IN (?) [json 1]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."extra" IN (?) [json 1]
-- in a query
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."small" IN (SELECT "node"."size" FROM "node" WHERE "node"."name" = $1) ["x"]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE `k"d`.`small` IN (SELECT `node`.`size` FROM `node` WHERE `node`.`name` = ?) ["x"]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."small" IN (SELECT "node"."size" FROM "node" WHERE "node"."name" = ?) ["x"]
-- not in a query
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE NOT ("k""d"."small" IN (SELECT "node"."size" FROM "node")) []
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE NOT (`k"d`.`small` IN (SELECT `node`.`size` FROM `node`)) []
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE NOT ("k""d"."small" IN (SELECT "node"."size" FROM "node")) []
-- in a limited query
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."small" IN (SELECT "node"."size" FROM "node" LIMIT $1) [3u]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE `k"d`.`small` IN (SELECT * FROM (SELECT `node`.`size` FROM `node` LIMIT ?) AS `nestling_rows`) [3u]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."small" IN (SELECT "node"."size" FROM "node" LIMIT ?) [3u]
-- rows in
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE ("pair"."left", "pair"."right") IN (($1, $2), ($3, $4)) [1, "a", 2, "b"]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE (`pair`.`left`, `pair`.`right`) IN ((?, ?), (?, ?)) [1, "a", 2, "b"]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE ("pair"."left", "pair"."right") IN (VALUES (?, ?), (?, ?)) [1, "a", 2, "b"]
-- one row in
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE ("pair"."left", "pair"."right") IN (($1, $2)) [1, "a"]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE (`pair`.`left`, `pair`.`right`) IN ((?, ?)) [1, "a"]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE ("pair"."left", "pair"."right") IN (VALUES (?, ?)) [1, "a"]
-- no rows in
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE 1 = 0 []
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE 1 = 0 []
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE 1 = 0 []
-- rows in with expressions
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE ("pair"."left", "pair"."weight") IN (("pair"."left" + $1, CAST($2 AS bigint))) [1, 1]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE (`pair`.`left`, `pair`.`weight`) IN ((`pair`.`left` + ?, CAST(? AS SIGNED))) [1, 1]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE ("pair"."left", "pair"."weight") IN (VALUES ("pair"."left" + ?, ?)) [1, 1]
-- keys in
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE ("pair"."left", "pair"."right") IN (($1, $2), ($3, $4)) [1, "a", 2, "b"]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE (`pair`.`left`, `pair`.`right`) IN ((?, ?), (?, ?)) [1, "a", 2, "b"]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE ("pair"."left", "pair"."right") IN (VALUES (?, ?), (?, ?)) [1, "a", 2, "b"]
-- one key
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "node"."id" = $1 [7]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE `node`.`id` = ? [7]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "node"."id" = ? [7]
-- by key
postgres: SELECT "pair"."left", "pair"."right", "pair"."weight" FROM "pair" WHERE "pair"."left" = $1 AND "pair"."right" = $2 [1, "a"]
mysql: SELECT `pair`.`left`, `pair`.`right`, `pair`.`weight` FROM `pair` WHERE `pair`.`left` = ? AND `pair`.`right` = ? [1, "a"]
sqlite: SELECT "pair"."left", "pair"."right", "pair"."weight" FROM "pair" WHERE "pair"."left" = ? AND "pair"."right" = ? [1, "a"]
-- 600 keys of two columns
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE ("pair"."left", "pair"."right") IN (SELECT * FROM unnest($1::integer[], $2::text[])) [array of 600, array of 600]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE (`pair`.`left`, `pair`.`right`) IN ((?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?) … 4877 bytes [0, "a", 1, "a", 2, "a", 3, "a", 4, "a", 5, "a", 6, "a", 7, "a", 8, "a", 9, "a", 10, "a", 11, "a", 12, "a", 13, "a", 14, "a", 15, "a", 16, "a", 17, "a", 18, "a", 19, "a", 20, "a", 21, "a", 22, "a", 23, "a", 24, "a", 25, "a", 26, "a", 27, "a", 28, "a", 29, "a", 30, "a", 31, "a", 32, "a", 33, "a", 34,  … 5888 bytes]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE ("pair"."left", "pair"."right") IN (VALUES (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?), (?, ?) … 4885 bytes [0, "a", 1, "a", 2, "a", 3, "a", 4, "a", 5, "a", 6, "a", 7, "a", 8, "a", 9, "a", 10, "a", 11, "a", 12, "a", 13, "a", 14, "a", 15, "a", 16, "a", 17, "a", 18, "a", 19, "a", 20, "a", 21, "a", 22, "a", 23, "a", 24, "a", 25, "a", 26, "a", 27, "a", 28, "a", 29, "a", 30, "a", 31, "a", 32, "a", 33, "a", 34,  … 5888 bytes]
-- 5,001 numbers
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."small" = ANY($1) [array of 5001]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE `k"d`.`small` IN (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,  … 15062 bytes [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57, 58, 59, 60, 61, 62, 63, 64, 65, 66, 67, 68, 69, 70, 71, 72, 73, 74, 75, 76, 77 … 28894 bytes]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."small" IN (SELECT value FROM json_each(?)) [text of 23896]
-- 5,001 texts
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."name" = ANY($1) [array of 5001]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE `k"d`.`name` IN (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ? … 15061 bytes ["0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "10", "11", "12", "13", "14", "15", "16", "17", "18", "19", "20", "21", "22", "23", "24", "25", "26", "27", "28", "29", "30", "31", "32", "33", "34", "35", "36", "37", "38", "39", "40", "41", "42", "43", "44", "45", "46", "47", "48", "49", "50", "51" … 38896 bytes]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."name" IN (SELECT value FROM json_each(?)) [text of 33898]
-- 10,001 numbers
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."small" = ANY($1) [array of 10001]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE `k"d`.`small` IN (/*nestling: values*/0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43, 44, 45, 46, 47, 48, 49, 50, 51, 52, 53, 54, 55, 56, 57 … 58993 bytes []
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."small" IN (SELECT value FROM json_each(?)) [text of 48897]
-- 5,001 keys of two columns
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE ("pair"."left", "pair"."right") IN (SELECT * FROM unnest($1::integer[], $2::text[])) [array of 5001, array of 5001]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE (`pair`.`left`, `pair`.`right`) IN (/*nestling: values*/(0, _utf8mb4 x'61'), (1, _utf8mb4 x'61'), (2, _utf8mb4 x'61'), (3, _utf8mb4 x'61'), (4, _utf8mb4 x'61'), (5, _utf8mb4 x'61'), (6, _utf8mb4 x'61'), (7, _utf8mb4 x'61'), (8, _utf8mb4 x'61'), (9, _utf8mb4  … 119028 bytes []
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE ("pair"."left", "pair"."right") IN (SELECT json_extract(value, '$[0]'), json_extract(value, '$[1]') FROM json_each(?)) [text of 53902]
-- sums
postgres: SELECT "k""d"."small" + $1 + $2, "k""d"."small" - ("k""d"."small" - $3), "k""d"."small" + $4 - ("k""d"."small" - $5), "k""d"."small" + ("k""d"."small" + $6) FROM "s`1"."k""d" [1, 2, 1, 1, 1, 1]
mysql: SELECT `k"d`.`small` + ? + ?, `k"d`.`small` - (`k"d`.`small` - ?), `k"d`.`small` + ? - (`k"d`.`small` - ?), `k"d`.`small` + (`k"d`.`small` + ?) FROM `s``1`.`k"d` [1, 2, 1, 1, 1, 1]
sqlite: SELECT "k""d"."small" + ? + ?, "k""d"."small" - ("k""d"."small" - ?), "k""d"."small" + ? - ("k""d"."small" - ?), "k""d"."small" + ("k""d"."small" + ?) FROM "s`1"."k""d" [1, 2, 1, 1, 1, 1]
-- products
postgres: SELECT "k""d"."small" * $1 * $2, "k""d"."small" * ("k""d"."small" * $3), ("k""d"."small" + $4) * ("k""d"."small" - $5), "k""d"."small" * $6 + "k""d"."small" * $7, "k""d"."small" + "k""d"."small" * $8 FROM "s`1"."k""d" [2, 3, 2, 1, 1, 2, 3, 2]
mysql: SELECT `k"d`.`small` * ? * ?, `k"d`.`small` * (`k"d`.`small` * ?), (`k"d`.`small` + ?) * (`k"d`.`small` - ?), `k"d`.`small` * ? + `k"d`.`small` * ?, `k"d`.`small` + `k"d`.`small` * ? FROM `s``1`.`k"d` [2, 3, 2, 1, 1, 2, 3, 2]
sqlite: SELECT "k""d"."small" * ? * ?, "k""d"."small" * ("k""d"."small" * ?), ("k""d"."small" + ?) * ("k""d"."small" - ?), "k""d"."small" * ? + "k""d"."small" * ?, "k""d"."small" + "k""d"."small" * ? FROM "s`1"."k""d" [2, 3, 2, 1, 1, 2, 3, 2]
-- quotients
postgres: SELECT "k""d"."small" / $1, "k""d"."small" / $2 / $3, "k""d"."small" / ("k""d"."small" / $4), "k""d"."small" * $5 / $6, "k""d"."small" * $7 % $8, ("k""d"."small" + $9) % $10, "k""d"."large" / $11 FROM "s`1"."k""d" [2, 2, 3, 2, 2, 3, 2, 3, 1, 2, 2u]
mysql: SELECT `k"d`.`small` DIV ?, `k"d`.`small` DIV ? DIV ?, `k"d`.`small` DIV (`k"d`.`small` DIV ?), `k"d`.`small` * ? DIV ?, `k"d`.`small` * ? % ?, (`k"d`.`small` + ?) % ?, `k"d`.`large` DIV ? FROM `s``1`.`k"d` [2, 2, 3, 2, 2, 3, 2, 3, 1, 2, 2u]
sqlite: SELECT "k""d"."small" / ?, "k""d"."small" / ? / ?, "k""d"."small" / ("k""d"."small" / ?), "k""d"."small" * ? / ?, "k""d"."small" * ? % ?, ("k""d"."small" + ?) % ?, "k""d"."large" / ? FROM "s`1"."k""d" [2, 2, 3, 2, 2, 3, 2, 3, 1, 2, 2u]
-- quotients of others
postgres: SELECT "k""d"."real" / $1, "k""d"."price" / $2, "k""d"."price" / $3 / $4 FROM "s`1"."k""d" [2.0, 2d, 2d, 10d]
mysql: SELECT `k"d`.`real` / ?, `k"d`.`price` / ?, `k"d`.`price` / ? / ? FROM `s``1`.`k"d` [2.0, 2d, 2d, 10d]
sqlite: SELECT "k""d"."real" / ?, CAST("k""d"."price" AS REAL) / ?, CAST(CAST("k""d"."price" AS REAL) / ? AS REAL) / ? FROM "s`1"."k""d" [2.0, 2d, 2d, 10d]
-- negative
postgres: SELECT 0 - "k""d"."small", 0 - ("k""d"."small" + $1), 0 - (0 - "k""d"."small"), "k""d"."small" - (0 - "k""d"."small"), "k""d"."small" * (0 - "k""d"."small"), (0 - "k""d"."small") * $2 FROM "s`1"."k""d" [1, 2]
mysql: SELECT 0 - `k"d`.`small`, 0 - (`k"d`.`small` + ?), 0 - (0 - `k"d`.`small`), `k"d`.`small` - (0 - `k"d`.`small`), `k"d`.`small` * (0 - `k"d`.`small`), (0 - `k"d`.`small`) * ? FROM `s``1`.`k"d` [1, 2]
sqlite: SELECT 0 - "k""d"."small", 0 - ("k""d"."small" + ?), 0 - (0 - "k""d"."small"), "k""d"."small" - (0 - "k""d"."small"), "k""d"."small" * (0 - "k""d"."small"), (0 - "k""d"."small") * ? FROM "s`1"."k""d" [1, 2]
-- aggregates
postgres: SELECT COUNT(*), COUNT("k""d"."small"), COUNT(DISTINCT "k""d"."small"), MIN("k""d"."small"), MAX("k""d"."small"), MAX("k""d"."name") FROM "s`1"."k""d" []
mysql: SELECT COUNT(*), COUNT(`k"d`.`small`), COUNT(DISTINCT `k"d`.`small`), MIN(`k"d`.`small`), MAX(`k"d`.`small`), MAX(`k"d`.`name`) FROM `s``1`.`k"d` []
sqlite: SELECT COUNT(*), COUNT("k""d"."small"), COUNT(DISTINCT "k""d"."small"), MIN("k""d"."small"), MAX("k""d"."small"), MAX("k""d"."name") FROM "s`1"."k""d" []
-- sums of all
postgres: SELECT CAST(SUM("k""d"."small") AS bigint), SUM("k""d"."large"), CAST(SUM("k""d"."real") AS double precision), SUM("k""d"."price"), CAST(SUM("k""d"."small" + $1) AS bigint) FROM "s`1"."k""d" [1]
mysql: SELECT SUM(`k"d`.`small`), SUM(`k"d`.`large`), SUM(`k"d`.`real`), SUM(`k"d`.`price`), SUM(`k"d`.`small` + ?) FROM `s``1`.`k"d` [1]
sqlite: SELECT SUM("k""d"."small"), SUM("k""d"."large"), SUM("k""d"."real"), SUM("k""d"."price"), SUM("k""d"."small" + ?) FROM "s`1"."k""d" [1]
-- averages
postgres: SELECT CAST(AVG("k""d"."small") AS double precision), CAST(AVG("k""d"."price") AS double precision), CAST(AVG("k""d"."real") AS double precision) FROM "s`1"."k""d" []
mysql: SELECT CAST(AVG(`k"d`.`small`) AS DOUBLE), CAST(AVG(`k"d`.`price`) AS DOUBLE), CAST(AVG(`k"d`.`real`) AS DOUBLE) FROM `s``1`.`k"d` []
sqlite: SELECT CAST(AVG("k""d"."small") AS REAL), CAST(AVG("k""d"."price") AS REAL), CAST(AVG("k""d"."real") AS REAL) FROM "s`1"."k""d" []
-- rounded
postgres: SELECT ABS("k""d"."small"), "k""d"."small", ROUND("k""d"."real"), ROUND("k""d"."real" + $1), ("k""d"."small" + $2) * $3 FROM "s`1"."k""d" [0.5, 1, 2]
mysql: SELECT ABS(`k"d`.`small`), `k"d`.`small`, ROUND(`k"d`.`real`), ROUND(`k"d`.`real` + ?), (`k"d`.`small` + ?) * ? FROM `s``1`.`k"d` [0.5, 1, 2]
sqlite: SELECT ABS("k""d"."small"), "k""d"."small", ROUND("k""d"."real"), ROUND("k""d"."real" + ?), ("k""d"."small" + ?) * ? FROM "s`1"."k""d" [0.5, 1, 2]
-- of aggregates
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE CAST(SUM("k""d"."small") AS bigint) + $1 > $2 AND MAX("k""d"."small") - MIN("k""d"."small") < $3 [1, 5, 3]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE SUM(`k"d`.`small`) + ? > ? AND MAX(`k"d`.`small`) - MIN(`k"d`.`small`) < ? [1, 5, 3]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE SUM("k""d"."small") + ? > ? AND MAX("k""d"."small") - MIN("k""d"."small") < ? [1, 5, 3]
-- like
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."name" LIKE $1 ["a%"]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE `k"d`.`name` LIKE ? ["a%"]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."name" LIKE ? ESCAPE '\' ["a%"]
-- not like and
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE NOT ("k""d"."name" LIKE $1) AND "k""d"."name" LIKE "k""d"."name" ["a%"]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE NOT (`k"d`.`name` LIKE ?) AND `k"d`.`name` LIKE `k"d`.`name` ["a%"]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE NOT ("k""d"."name" LIKE ? ESCAPE '\') AND "k""d"."name" LIKE "k""d"."name" ESCAPE '\' ["a%"]
-- ilike
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."name" ILIKE $1 ["a%"]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE LOWER(`k"d`.`name`) LIKE LOWER(?) ["a%"]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE LOWER("k""d"."name") LIKE LOWER(?) ESCAPE '\' ["a%"]
-- ilike and
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE ("k""d"."name" ILIKE $1 AND "k""d"."note" ILIKE $2) OR "k""d"."flag" ["a%", "b%"]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE (LOWER(`k"d`.`name`) LIKE LOWER(?) AND LOWER(`k"d`.`note`) LIKE LOWER(?)) OR `k"d`.`flag` ["a%", "b%"]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE (LOWER("k""d"."name") LIKE LOWER(?) ESCAPE '\' AND LOWER("k""d"."note") LIKE LOWER(?) ESCAPE '\') OR "k""d"."flag" ["a%", "b%"]
-- not ilike
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE NOT ("k""d"."name" ILIKE $1) ["a%"]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE NOT (LOWER(`k"d`.`name`) LIKE LOWER(?)) ["a%"]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE NOT (LOWER("k""d"."name") LIKE LOWER(?) ESCAPE '\') ["a%"]
-- contains
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."name" LIKE $1 ESCAPE '!' OR ("k""d"."note" LIKE $2 ESCAPE '!' AND "k""d"."name" LIKE $3 ESCAPE '!') ["%5!%!_!!%", "x%", "%y"]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE `k"d`.`name` LIKE ? ESCAPE '!' OR (`k"d`.`note` LIKE ? ESCAPE '!' AND `k"d`.`name` LIKE ? ESCAPE '!') ["%5!%!_!!%", "x%", "%y"]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."name" LIKE ? ESCAPE '!' OR ("k""d"."note" LIKE ? ESCAPE '!' AND "k""d"."name" LIKE ? ESCAPE '!') ["%5!%!_!!%", "x%", "%y"]
-- like of concat
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE ("k""d"."name" || CAST($1 AS text)) LIKE $2 ["x", "a%"]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE CONCAT(`k"d`.`name`, CAST(? AS CHAR)) LIKE ? ["x", "a%"]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE ("k""d"."name" || ?) LIKE ? ESCAPE '\' ["x", "a%"]
-- like concat
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."name" LIKE ("k""d"."name" || CAST($1 AS text)) ["%"]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE `k"d`.`name` LIKE CONCAT(`k"d`.`name`, CAST(? AS CHAR)) ["%"]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."name" LIKE ("k""d"."name" || ?) ESCAPE '\' ["%"]
-- concat eq
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE ("k""d"."name" || CAST($1 AS text)) = $2 ["x", "ax"]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE CONCAT(`k"d`.`name`, CAST(? AS CHAR)) = ? ["x", "ax"]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE ("k""d"."name" || ?) = ? ["x", "ax"]
-- functions
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE LOWER("k""d"."name") = $1 AND UPPER("k""d"."name") <> $2 ["a", "A"]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE LOWER(`k"d`.`name`) = ? AND UPPER(`k"d`.`name`) <> ? ["a", "A"]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE LOWER("k""d"."name") = ? AND UPPER("k""d"."name") <> ? ["a", "A"]
-- of text
postgres: SELECT LOWER("k""d"."name"), UPPER("k""d"."note"), TRIM("k""d"."name"), CHAR_LENGTH("k""d"."name") FROM "s`1"."k""d" []
mysql: SELECT LOWER(`k"d`.`name`), UPPER(`k"d`.`note`), TRIM(`k"d`.`name`), CHAR_LENGTH(`k"d`.`name`) FROM `s``1`.`k"d` []
sqlite: SELECT LOWER("k""d"."name"), UPPER("k""d"."note"), TRIM("k""d"."name"), LENGTH("k""d"."name") FROM "s`1"."k""d" []
-- concat
postgres: SELECT "k""d"."name" || CAST($1 AS text), (CAST($2 AS text) || "k""d"."name") || CAST($3 AS text), "k""d"."name" || ("k""d"."name" || CAST($4 AS text)) FROM "s`1"."k""d" ["x", "a", "b", "c"]
mysql: SELECT CONCAT(`k"d`.`name`, CAST(? AS CHAR)), CONCAT(CONCAT(CAST(? AS CHAR), `k"d`.`name`), CAST(? AS CHAR)), CONCAT(`k"d`.`name`, CONCAT(`k"d`.`name`, CAST(? AS CHAR))) FROM `s``1`.`k"d` ["x", "a", "b", "c"]
sqlite: SELECT "k""d"."name" || ?, (? || "k""d"."name") || ?, "k""d"."name" || ("k""d"."name" || ?) FROM "s`1"."k""d" ["x", "a", "b", "c"]
-- length of concat
postgres: SELECT CHAR_LENGTH("k""d"."name" || CAST($1 AS text)) + $2 FROM "s`1"."k""d" ["x", 1]
mysql: SELECT CHAR_LENGTH(CONCAT(`k"d`.`name`, CAST(? AS CHAR))) + ? FROM `s``1`.`k"d` ["x", 1]
sqlite: SELECT LENGTH("k""d"."name" || ?) + ? FROM "s`1"."k""d" ["x", 1]
-- values
postgres: SELECT CAST($1 AS bigint), CAST($2 AS boolean), CAST($3 AS text), CAST($4 AS double precision), CAST($5 AS numeric), CAST($6 AS integer) FROM "s`1"."k""d" [1, true, "x", 1.5, 1d, NULL]
mysql: SELECT CAST(? AS SIGNED), CAST(? AS SIGNED), CAST(? AS CHAR), CAST(? AS DOUBLE), ?, CAST(? AS SIGNED) FROM `s``1`.`k"d` [1, true, "x", 1.5, 1d, NULL]
sqlite: SELECT ?, ?, ?, ?, ?, ? FROM "s`1"."k""d" [1, true, "x", 1.5, 1d, NULL]
-- values of others
postgres: SELECT CAST($1 AS uuid), CAST($2 AS bytea), CAST($3 AS integer[]), CAST($4 AS jsonb) FROM "s`1"."k""d" [00000000-0000-0000-0000-000000000000, [01], array ["1"], json [1]]
mysql: SELECT ?, ?, ?, ? FROM `s``1`.`k"d` [00000000-0000-0000-0000-000000000000, [01], array ["1"], json [1]]
sqlite: SELECT ?, ?, ?, ? FROM "s`1"."k""d" [00000000-0000-0000-0000-000000000000, [01], array ["1"], json [1]]
-- casts
postgres: SELECT CAST("k""d"."small" AS bigint), CAST("k""d"."small" AS text), CAST("k""d"."name" AS numeric), CAST("k""d"."name" AS double precision) FROM "s`1"."k""d" []
mysql: SELECT CAST(`k"d`.`small` AS SIGNED), CAST(`k"d`.`small` AS CHAR), CAST(`k"d`.`name` AS DECIMAL(65, 30)), CAST(`k"d`.`name` AS DOUBLE) FROM `s``1`.`k"d` []
sqlite: SELECT CAST("k""d"."small" AS INTEGER), CAST("k""d"."small" AS TEXT), CAST("k""d"."name" AS NUMERIC), CAST("k""d"."name" AS REAL) FROM "s`1"."k""d" []
-- casts to others
postgres: SELECT CAST("k""d"."name" AS uuid), CAST("k""d"."name" AS bytea), CAST("k""d"."small" AS numeric), CAST("k""d"."name" AS boolean) FROM "s`1"."k""d" []
mysql: SELECT CAST(`k"d`.`name` AS CHAR), CAST(`k"d`.`name` AS BINARY), CAST(`k"d`.`small` AS UNSIGNED), CAST(`k"d`.`name` AS SIGNED) FROM `s``1`.`k"d` []
sqlite: SELECT CAST("k""d"."name" AS TEXT), CAST("k""d"."name" AS BLOB), CAST("k""d"."small" AS INTEGER), CAST("k""d"."name" AS INTEGER) FROM "s`1"."k""d" []
-- cast to json
postgres: SELECT CAST("k""d"."name" AS jsonb) FROM "s`1"."k""d" []
mysql: Unsupported: MySQL and MariaDB have no common cast to JSON
sqlite: SELECT CAST("k""d"."name" AS TEXT) FROM "s`1"."k""d" []
-- cast to an array
postgres: SELECT CAST("k""d"."name" AS integer[]) FROM "s`1"."k""d" []
mysql: Unsupported: MySQL has no arrays
sqlite: Unsupported: SQLite has no arrays
-- cast to a map
postgres: SELECT CAST("k""d"."name" AS hstore) FROM "s`1"."k""d" []
mysql: SELECT CAST(`k"d`.`name` AS hstore) FROM `s``1`.`k"d` []
sqlite: SELECT CAST("k""d"."name" AS hstore) FROM "s`1"."k""d" []
-- cast of a sum
postgres: SELECT CAST("k""d"."small" + $1 AS bigint) * $2 FROM "s`1"."k""d" [1, 2]
mysql: SELECT CAST(`k"d`.`small` + ? AS SIGNED) * ? FROM `s``1`.`k"d` [1, 2]
sqlite: SELECT CAST("k""d"."small" + ? AS INTEGER) * ? FROM "s`1"."k""d" [1, 2]
-- coalesce
postgres: SELECT COALESCE("k""d"."note", $1), COALESCE("k""d"."note", "k""d"."name"), COALESCE("k""d"."real" + $2, $3) + $4 FROM "s`1"."k""d" ["x", 1.0, 2.0, 3.0]
mysql: SELECT COALESCE(`k"d`.`note`, ?), COALESCE(`k"d`.`note`, `k"d`.`name`), COALESCE(`k"d`.`real` + ?, ?) + ? FROM `s``1`.`k"d` ["x", 1.0, 2.0, 3.0]
sqlite: SELECT COALESCE("k""d"."note", ?), COALESCE("k""d"."note", "k""d"."name"), COALESCE("k""d"."real" + ?, ?) + ? FROM "s`1"."k""d" ["x", 1.0, 2.0, 3.0]
-- function
postgres: SELECT f("k""d"."small" + $1, CAST($2 AS integer)) FROM "s`1"."k""d" [1, 7]
mysql: SELECT f(`k"d`.`small` + ?, CAST(? AS SIGNED)) FROM `s``1`.`k"d` [1, 7]
sqlite: SELECT f("k""d"."small" + ?, ?) FROM "s`1"."k""d" [1, 7]
-- function of nothing
postgres: SELECT pg_catalog.f() FROM "s`1"."k""d" []
mysql: SELECT pg_catalog.f() FROM `s``1`.`k"d` []
sqlite: SELECT pg_catalog.f() FROM "s`1"."k""d" []
-- now
postgres: SELECT NOW(), MAX("k""d"."at") FROM "s`1"."k""d" []
mysql: SELECT UTC_TIMESTAMP(6), MAX(`k"d`.`at`) FROM `s``1`.`k"d` []
sqlite: SELECT strftime('%Y-%m-%d %H:%M:%f', 'now'), MAX("k""d"."at") FROM "s`1"."k""d" []
-- before now
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."at" < NOW() AND "k""d"."told" < to_char(NOW() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"') []
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE `k"d`.`at` < UTC_TIMESTAMP(6) AND `k"d`.`told` < DATE_FORMAT(UTC_TIMESTAMP(6), '%Y-%m-%dT%H:%i:%s.%f+00:00') []
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."at" < strftime('%Y-%m-%d %H:%M:%f', 'now') AND "k""d"."told" < strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now') []
-- case
postgres: SELECT (CASE WHEN ("k""d"."small" < $1 AND "k""d"."flag") THEN CAST($2 AS text) WHEN ("k""d"."flag") THEN "k""d"."name" ELSE CAST($3 AS text) END), (CASE WHEN ("k""d"."small" < $4 AND "k""d"."flag") THEN CAST($5 AS text) WHEN ("k""d"."flag") THEN "k""d"."name" END) FROM "s`1"."k""d" [3, "old", "new", 3, "old"]
mysql: SELECT (CASE WHEN (`k"d`.`small` < ? AND `k"d`.`flag`) THEN CAST(? AS CHAR) WHEN (`k"d`.`flag`) THEN `k"d`.`name` ELSE CAST(? AS CHAR) END), (CASE WHEN (`k"d`.`small` < ? AND `k"d`.`flag`) THEN CAST(? AS CHAR) WHEN (`k"d`.`flag`) THEN `k"d`.`name` END) FROM `s``1`.`k"d` [3, "old", "new", 3, "old"]
sqlite: SELECT (CASE WHEN ("k""d"."small" < ? AND "k""d"."flag") THEN ? WHEN ("k""d"."flag") THEN "k""d"."name" ELSE ? END), (CASE WHEN ("k""d"."small" < ? AND "k""d"."flag") THEN ? WHEN ("k""d"."flag") THEN "k""d"."name" END) FROM "s`1"."k""d" [3, "old", "new", 3, "old"]
-- case eq
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE (CASE WHEN ("k""d"."small" < $1 AND "k""d"."flag") THEN CAST($2 AS text) WHEN ("k""d"."flag") THEN "k""d"."name" ELSE CAST($3 AS text) END) = $4 OR (CASE WHEN ("k""d"."small" < $5 AND "k""d"."flag") THEN CAST($6 AS text) WHEN ("k""d"."flag") THEN "k""d"."name" END) IS NULL [3, "old", "new", "old", 3, "old"]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE (CASE WHEN (`k"d`.`small` < ? AND `k"d`.`flag`) THEN CAST(? AS CHAR) WHEN (`k"d`.`flag`) THEN `k"d`.`name` ELSE CAST(? AS CHAR) END) = ? OR (CASE WHEN (`k"d`.`small` < ? AND `k"d`.`flag`) THEN CAST(? AS CHAR) WHEN (`k"d`.`flag`) THEN `k"d`.`name` END) IS NULL [3, "old", "new", "old", 3, "old"]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE (CASE WHEN ("k""d"."small" < ? AND "k""d"."flag") THEN ? WHEN ("k""d"."flag") THEN "k""d"."name" ELSE ? END) = ? OR (CASE WHEN ("k""d"."small" < ? AND "k""d"."flag") THEN ? WHEN ("k""d"."flag") THEN "k""d"."name" END) IS NULL [3, "old", "new", "old", 3, "old"]
-- exists
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE EXISTS(SELECT "node"."id", "node"."name", "node"."parent_id", "node"."size" FROM "node" WHERE "node"."parent_id" = "k""d"."other_id") AND NOT EXISTS(SELECT "node"."id", "node"."name", "node"."parent_id", "node"."size" FROM "node" WHERE "node"."parent_id" = "k""d"."other_id" LIMIT $1) [2u]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE EXISTS(SELECT `node`.`id`, `node`.`name`, `node`.`parent_id`, `node`.`size` FROM `node` WHERE `node`.`parent_id` = `k"d`.`other_id`) AND NOT EXISTS(SELECT `node`.`id`, `node`.`name`, `node`.`parent_id`, `node`.`size` FROM `node` WHERE `node`.`parent_id` = `k"d`.`other_id` LIMIT ?) [2u]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE EXISTS(SELECT "node"."id", "node"."name", "node"."parent_id", "node"."size" FROM "node" WHERE "node"."parent_id" = "k""d"."other_id") AND NOT EXISTS(SELECT "node"."id", "node"."name", "node"."parent_id", "node"."size" FROM "node" WHERE "node"."parent_id" = "k""d"."other_id" LIMIT ?) [2u]
-- exists with twice the same
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE EXISTS(SELECT "node"."id", "node"."id" AS "c1", "node"."size" + $1 AS "c2" FROM "node" WHERE "node"."parent_id" = "k""d"."other_id") [1]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE EXISTS(SELECT `node`.`id`, `node`.`id` AS `c1`, `node`.`size` + ? AS `c2` FROM `node` WHERE `node`.`parent_id` = `k"d`.`other_id`) [1]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE EXISTS(SELECT "node"."id", "node"."id" AS "c1", "node"."size" + ? AS "c2" FROM "node" WHERE "node"."parent_id" = "k""d"."other_id") [1]
-- query
postgres: SELECT (SELECT MAX("node"."size") FROM "node" WHERE "node"."id" = $1) FROM "s`1"."k""d" [1]
mysql: SELECT (SELECT MAX(`node`.`size`) FROM `node` WHERE `node`.`id` = ?) FROM `s``1`.`k"d` [1]
sqlite: SELECT (SELECT MAX("node"."size") FROM "node" WHERE "node"."id" = ?) FROM "s`1"."k""d" [1]
-- query eq
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE (SELECT "node"."size" FROM "node" LIMIT $1) = $2 [1u, 1]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE (SELECT `node`.`size` FROM `node` LIMIT ?) = ? [1u, 1]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE (SELECT "node"."size" FROM "node" LIMIT ?) = ? [1u, 1]
-- names
postgres: SELECT "k""d"."small" AS "a""b`c", "k""d"."small" + $1 AS "sum", 1 + 1 AS "raw" FROM "s`1"."k""d" [1]
mysql: SELECT `k"d`.`small` AS `a"b``c`, `k"d`.`small` + ? AS `sum`, 1 + 1 AS `raw` FROM `s``1`.`k"d` [1]
sqlite: SELECT "k""d"."small" AS "a""b`c", "k""d"."small" + ? AS "sum", 1 + 1 AS "raw" FROM "s`1"."k""d" [1]
-- part
postgres: SELECT "k""d"."extra" -> CAST($1 AS text), "k""d"."extra" -> CAST($2 AS integer), "k""d"."extra" #> CAST($3 AS text[]), "k""d"."extra" #> CAST($4 AS text[]) FROM "s`1"."k""d" ["a", 0, array ["\"a\"", "\"0\"", "\"b\\\"'\""], array []]
mysql: SELECT JSON_EXTRACT(`k"d`.`extra`, ?), JSON_EXTRACT(`k"d`.`extra`, ?), JSON_EXTRACT(`k"d`.`extra`, ?), JSON_EXTRACT(`k"d`.`extra`, ?) FROM `s``1`.`k"d` ["$.\"a\"", "$[0]", "$.\"a\"[0].\"b\\\"'\"", "$"]
sqlite: SELECT "k""d"."extra" -> ?, "k""d"."extra" -> ?, "k""d"."extra" -> ?, "k""d"."extra" -> ? FROM "s`1"."k""d" ["$.\"a\"", "$[0]", "$.\"a\"[0].\"b\\\"'\"", "$"]
-- part as text
postgres: SELECT "k""d"."extra" ->> CAST($1 AS text), "k""d"."extra" ->> CAST($2 AS integer), "k""d"."extra" #>> CAST($3 AS text[]) FROM "s`1"."k""d" ["a", 0, array ["\"a\"", "\"0\""]]
mysql: SELECT (CASE JSON_TYPE(JSON_EXTRACT(`k"d`.`extra`, ?)) WHEN 'NULL' THEN NULL ELSE JSON_UNQUOTE(JSON_EXTRACT(`k"d`.`extra`, ?)) END), (CASE JSON_TYPE(JSON_EXTRACT(`k"d`.`extra`, ?)) WHEN 'NULL' THEN NULL ELSE JSON_UNQUOTE(JSON_EXTRACT(`k"d`.`extra`, ?)) END), (CASE JSON_TYPE(JSON_EXTRACT(`k"d`.`extra`, ?)) WHEN 'NULL' THEN NULL ELSE JSON_UNQUOTE(JSON_EXTRACT(`k"d`.`extra`, ?)) END) FROM `s``1`.`k"d` ["$.\"a\"", "$.\"a\"", "$[0]", "$[0]", "$.\"a\"[0]", "$.\"a\"[0]"]
sqlite: SELECT (CASE JSON_TYPE("k""d"."extra", ?) WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE CAST(JSON_EXTRACT("k""d"."extra", ?) AS TEXT) END), (CASE JSON_TYPE("k""d"."extra", ?) WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE CAST(JSON_EXTRACT("k""d"."extra", ?) AS TEXT) END), (CASE JSON_TYPE("k""d"."extra", ?) WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE CAST(JSON_EXTRACT("k""d"."extra", ?) AS TEXT) END) FROM "s`1"."k""d" ["$.\"a\"", "$.\"a\"", "$[0]", "$[0]", "$.\"a\"[0]", "$.\"a\"[0]"]
-- part of a part
postgres: SELECT ("k""d"."extra" -> CAST($1 AS text)) -> CAST($2 AS text), ("k""d"."extra" -> CAST($3 AS text)) ->> CAST($4 AS text) FROM "s`1"."k""d" ["a", "b", "a", "b"]
mysql: SELECT JSON_EXTRACT(JSON_EXTRACT(`k"d`.`extra`, ?), ?), (CASE JSON_TYPE(JSON_EXTRACT(JSON_EXTRACT(`k"d`.`extra`, ?), ?)) WHEN 'NULL' THEN NULL ELSE JSON_UNQUOTE(JSON_EXTRACT(JSON_EXTRACT(`k"d`.`extra`, ?), ?)) END) FROM `s``1`.`k"d` ["$.\"a\"", "$.\"b\"", "$.\"a\"", "$.\"b\"", "$.\"a\"", "$.\"b\""]
sqlite: SELECT ("k""d"."extra" -> ?) -> ?, (CASE JSON_TYPE("k""d"."extra" -> ?, ?) WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE CAST(JSON_EXTRACT("k""d"."extra" -> ?, ?) AS TEXT) END) FROM "s`1"."k""d" ["$.\"a\"", "$.\"b\"", "$.\"a\"", "$.\"b\"", "$.\"a\"", "$.\"b\""]
-- part eq
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE ("k""d"."extra" ->> CAST($1 AS text)) = $2 AND ("k""d"."extra" -> CAST($3 AS text)) IS NULL ["a", "x", "a"]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE (CASE JSON_TYPE(JSON_EXTRACT(`k"d`.`extra`, ?)) WHEN 'NULL' THEN NULL ELSE JSON_UNQUOTE(JSON_EXTRACT(`k"d`.`extra`, ?)) END) = ? AND JSON_EXTRACT(`k"d`.`extra`, ?) IS NULL ["$.\"a\"", "$.\"a\"", "x", "$.\"a\""]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE (CASE JSON_TYPE("k""d"."extra", ?) WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE CAST(JSON_EXTRACT("k""d"."extra", ?) AS TEXT) END) = ? AND ("k""d"."extra" -> ?) IS NULL ["$.\"a\"", "$.\"a\"", "x", "$.\"a\""]
-- part like
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE ("k""d"."extra" ->> CAST($1 AS text)) LIKE $2 OR ("k""d"."extra" ->> CAST($3 AS text)) LIKE $4 ESCAPE '!' ["a", "x%", "b", "%y%"]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE (CASE JSON_TYPE(JSON_EXTRACT(`k"d`.`extra`, ?)) WHEN 'NULL' THEN NULL ELSE JSON_UNQUOTE(JSON_EXTRACT(`k"d`.`extra`, ?)) END) LIKE ? OR (CASE JSON_TYPE(JSON_EXTRACT(`k"d`.`extra`, ?)) WHEN 'NULL' THEN NULL ELSE JSON_UNQUOTE(JSON_EXTRACT(`k"d`.`extra`, ?)) END) LIKE ? ESCAPE '!' ["$.\"a\"", "$.\"a\"", "x%", "$.\"b\"", "$.\"b\"", "%y%"]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE (CASE JSON_TYPE("k""d"."extra", ?) WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE CAST(JSON_EXTRACT("k""d"."extra", ?) AS TEXT) END) LIKE ? ESCAPE '\' OR (CASE JSON_TYPE("k""d"."extra", ?) WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE CAST(JSON_EXTRACT("k""d"."extra", ?) AS TEXT) END) LIKE ? ESCAPE '!' ["$.\"a\"", "$.\"a\"", "x%", "$.\"b\"", "$.\"b\"", "%y%"]
-- part cast
postgres: SELECT CAST("k""d"."extra" ->> CAST($1 AS text) AS bigint) FROM "s`1"."k""d" ["a"]
mysql: SELECT CAST((CASE JSON_TYPE(JSON_EXTRACT(`k"d`.`extra`, ?)) WHEN 'NULL' THEN NULL ELSE JSON_UNQUOTE(JSON_EXTRACT(`k"d`.`extra`, ?)) END) AS SIGNED) FROM `s``1`.`k"d` ["$.\"a\"", "$.\"a\""]
sqlite: SELECT CAST((CASE JSON_TYPE("k""d"."extra", ?) WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' ELSE CAST(JSON_EXTRACT("k""d"."extra", ?) AS TEXT) END) AS INTEGER) FROM "s`1"."k""d" ["$.\"a\"", "$.\"a\""]
-- contains json
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE CAST("k""d"."extra" AS jsonb) @> CAST($1 AS jsonb) [json [1,2]]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE JSON_CONTAINS(`k"d`.`extra`, ?) [json [1,2]]
sqlite: Unsupported: SQLite cannot tell whether JSON contains other JSON
-- has key
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE CAST("k""d"."extra" AS jsonb) ? CAST($1 AS text) AND CAST("k""d"."extra" -> CAST($2 AS text) AS jsonb) ? CAST($3 AS text) ["a\"b", "a", "c"]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE JSON_CONTAINS_PATH(`k"d`.`extra`, 'one', ?) = 1 AND JSON_CONTAINS_PATH(JSON_EXTRACT(`k"d`.`extra`, ?), 'one', ?) = 1 ["$.\"a\\\"b\"", "$.\"a\"", "$.\"c\""]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE JSON_TYPE("k""d"."extra", ?) IS NOT NULL AND JSON_TYPE("k""d"."extra" -> ?, ?) IS NOT NULL ["$.\"a\\\"b\"", "$.\"a\"", "$.\"c\""]
-- not has key
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE NOT (CAST("k""d"."extra" AS jsonb) ? CAST($1 AS text)) OR CAST("k""d"."extra" AS jsonb) ? CAST($2 AS text) ["a", "b"]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE NOT (JSON_CONTAINS_PATH(`k"d`.`extra`, 'one', ?) = 1) OR JSON_CONTAINS_PATH(`k"d`.`extra`, 'one', ?) = 1 ["$.\"a\"", "$.\"b\""]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE NOT (JSON_TYPE("k""d"."extra", ?) IS NOT NULL) OR JSON_TYPE("k""d"."extra", ?) IS NOT NULL ["$.\"a\"", "$.\"b\""]
-- map
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE ("k""d"."map" -> CAST($1 AS text)) = $2 AND "k""d"."map" ? CAST($3 AS text) ["a", "b", "a"]
mysql: Unsupported: only PostgreSQL has hstore and its operator ->
sqlite: Unsupported: only PostgreSQL has hstore and its operator ->
-- map keys
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."map" ?& CAST($1 AS text[]) OR "k""d"."map" ?| CAST($2 AS text[]) [array ["\"a\"", "\"b\""], array ["\"c\""]]
mysql: Unsupported: only PostgreSQL has hstore and its operator ?&
sqlite: Unsupported: only PostgreSQL has hstore and its operator ?&
-- map contains
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."map" @> $1 AND NOT ("k""d"."map" @> $2) [HStore({"a": Some("b"), "c": None}), HStore({})]
mysql: Unsupported: only PostgreSQL has hstore and its operator @>
sqlite: Unsupported: only PostgreSQL has hstore and its operator @>
-- map with
postgres: SELECT "k""d"."map" || $1, "k""d"."map" - CAST($2 AS text[]), (("k""d"."map" || $3) - CAST($4 AS text[])) -> CAST($5 AS text) FROM "s`1"."k""d" [HStore({"a": Some("b"), "c": None}), array ["\"a\""], HStore({"a": Some("b"), "c": None}), array ["\"a\""], "c"]
mysql: Unsupported: only PostgreSQL has hstore and its operator ||
sqlite: Unsupported: only PostgreSQL has hstore and its operator ||
-- map eq
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."map" = $1 [HStore({"a": Some("b"), "c": None})]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE `k"d`.`map` = ? [HStore({"a": Some("b"), "c": None})]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."map" = ? [HStore({"a": Some("b"), "c": None})]
-- stored
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."uuid" = $1 AND "k""d"."plain" = $2 [[00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00], 00000000-0000-0000-0000-000000000000]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE `k"d`.`uuid` = ? AND `k"d`.`plain` = ? [[00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00], 00000000-0000-0000-0000-000000000000]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."uuid" = ? AND "k""d"."plain" = ? [[00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00], 00000000-0000-0000-0000-000000000000]
-- moments
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."told" = $1 OR "k""d"."at" BETWEEN $2 AND $3 ["2024-05-06T07:08:09+00:00", 2024-05-06 07:08:09 UTC, 2024-05-06 07:08:09 UTC]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE `k"d`.`told` = ? OR `k"d`.`at` BETWEEN ? AND ? ["2024-05-06T07:08:09+00:00", 2024-05-06 07:08:09 UTC, 2024-05-06 07:08:09 UTC]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."told" = ? OR "k""d"."at" BETWEEN ? AND ? ["2024-05-06T07:08:09+00:00", 2024-05-06 07:08:09 UTC, 2024-05-06 07:08:09 UTC]
-- columns of two forms
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."uuid" = "k""d"."plain" []
mysql: Unsupported: two columns that store their values in different forms cannot be compared as they are
sqlite: Unsupported: two columns that store their values in different forms cannot be compared as they are
-- columns of one form
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."uuid" = "k""d"."uuid" AND "k""d"."at" < "k""d"."at" []
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE `k"d`.`uuid` = `k"d`.`uuid` AND `k"d`.`at` < `k"d`.`at` []
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."uuid" = "k""d"."uuid" AND "k""d"."at" < "k""d"."at" []
-- bytes
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."bytes" = $1 [[01, ff]]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE `k"d`.`bytes` = ? [[01, ff]]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."bytes" = ? [[01, ff]]
-- arrays
postgres: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."tags" = $1 [array ["\"a\""]]
mysql: SELECT `k"d`.`id` FROM `s``1`.`k"d` WHERE `k"d`.`tags` = ? [array ["\"a\""]]
sqlite: SELECT "k""d"."id" FROM "s`1"."k""d" WHERE "k""d"."tags" = ? [array ["\"a\""]]
-- case of a form
postgres: SELECT (CASE WHEN ("k""d"."flag") THEN CAST($1 AS uuid) ELSE "k""d"."uuid" END) FROM "s`1"."k""d" [00000000-0000-0000-0000-000000000000]
mysql: SELECT (CASE WHEN (`k"d`.`flag`) THEN ? ELSE `k"d`.`uuid` END) FROM `s``1`.`k"d` [00000000-0000-0000-0000-000000000000]
sqlite: SELECT (CASE WHEN ("k""d"."flag") THEN ? ELSE "k""d"."uuid" END) FROM "s`1"."k""d" [00000000-0000-0000-0000-000000000000]
-- whole
postgres: SELECT "node"."id", "node"."name", "node"."parent_id", "node"."size" FROM "node" []
mysql: SELECT `node`.`id`, `node`.`name`, `node`.`parent_id`, `node`.`size` FROM `node` []
sqlite: SELECT "node"."id", "node"."name", "node"."parent_id", "node"."size" FROM "node" []
-- by its key
postgres: SELECT "node"."id", "node"."name", "node"."parent_id", "node"."size" FROM "node" WHERE "node"."id" = $1 [7]
mysql: SELECT `node`.`id`, `node`.`name`, `node`.`parent_id`, `node`.`size` FROM `node` WHERE `node`.`id` = ? [7]
sqlite: SELECT "node"."id", "node"."name", "node"."parent_id", "node"."size" FROM "node" WHERE "node"."id" = ? [7]
-- by its key of an alias
postgres: SELECT "n"."id", "n"."name", "n"."parent_id", "n"."size" FROM "node" AS "n" WHERE "n"."id" = $1 [7]
mysql: SELECT `n`.`id`, `n`.`name`, `n`.`parent_id`, `n`.`size` FROM `node` AS `n` WHERE `n`.`id` = ? [7]
sqlite: SELECT "n"."id", "n"."name", "n"."parent_id", "n"."size" FROM "node" AS "n" WHERE "n"."id" = ? [7]
-- limit
postgres: SELECT "node"."id", "node"."name", "node"."parent_id", "node"."size" FROM "node" LIMIT $1 [3u]
mysql: SELECT `node`.`id`, `node`.`name`, `node`.`parent_id`, `node`.`size` FROM `node` LIMIT ? [3u]
sqlite: SELECT "node"."id", "node"."name", "node"."parent_id", "node"."size" FROM "node" LIMIT ? [3u]
-- offset
postgres: SELECT "node"."id", "node"."name", "node"."parent_id", "node"."size" FROM "node" OFFSET $1 [4u]
mysql: SELECT `node`.`id`, `node`.`name`, `node`.`parent_id`, `node`.`size` FROM `node` LIMIT ? OFFSET ? [9223372036854775807u, 4u]
sqlite: SELECT "node"."id", "node"."name", "node"."parent_id", "node"."size" FROM "node" LIMIT ? OFFSET ? [9223372036854775807u, 4u]
-- limit and offset
postgres: SELECT "node"."id", "node"."name", "node"."parent_id", "node"."size" FROM "node" LIMIT $1 OFFSET $2 [3u, 4u]
mysql: SELECT `node`.`id`, `node`.`name`, `node`.`parent_id`, `node`.`size` FROM `node` LIMIT ? OFFSET ? [3u, 4u]
sqlite: SELECT "node"."id", "node"."name", "node"."parent_id", "node"."size" FROM "node" LIMIT ? OFFSET ? [3u, 4u]
-- limits that are too large
postgres: SELECT "node"."id", "node"."name", "node"."parent_id", "node"."size" FROM "node" LIMIT $1 OFFSET $2 [9223372036854775807u, 9223372036854775807u]
mysql: SELECT `node`.`id`, `node`.`name`, `node`.`parent_id`, `node`.`size` FROM `node` LIMIT ? OFFSET ? [9223372036854775807u, 9223372036854775807u]
sqlite: SELECT "node"."id", "node"."name", "node"."parent_id", "node"."size" FROM "node" LIMIT ? OFFSET ? [9223372036854775807u, 9223372036854775807u]
-- distinct
postgres: SELECT DISTINCT "node"."size", "node"."name" FROM "node" []
mysql: SELECT DISTINCT `node`.`size`, `node`.`name` FROM `node` []
sqlite: SELECT DISTINCT "node"."size", "node"."name" FROM "node" []
-- distinct on
postgres: SELECT DISTINCT ON ("node"."size", "node"."name") "node"."id", "node"."name", "node"."parent_id", "node"."size" FROM "node" ORDER BY "node"."size" ASC []
mysql: Unsupported: only PostgreSQL has DISTINCT ON
sqlite: Unsupported: only PostgreSQL has DISTINCT ON
-- distinct on an expression
postgres: Unsupported: DISTINCT ON takes columns, not expressions
mysql: Unsupported: only PostgreSQL has DISTINCT ON
sqlite: Unsupported: only PostgreSQL has DISTINCT ON
-- for update
postgres: SELECT "node"."id", "node"."name", "node"."parent_id", "node"."size" FROM "node" WHERE "node"."size" > $1 LIMIT $2 FOR UPDATE [1, 1u]
mysql: SELECT `node`.`id`, `node`.`name`, `node`.`parent_id`, `node`.`size` FROM `node` WHERE `node`.`size` > ? LIMIT ? FOR UPDATE [1, 1u]
sqlite: SELECT "node"."id", "node"."name", "node"."parent_id", "node"."size" FROM "node" WHERE "node"."size" > ? LIMIT ? [1, 1u]
-- for share
postgres: SELECT "node"."id", "node"."name", "node"."parent_id", "node"."size" FROM "node" FOR SHARE []
mysql: SELECT `node`.`id`, `node`.`name`, `node`.`parent_id`, `node`.`size` FROM `node` LOCK IN SHARE MODE []
sqlite: SELECT "node"."id", "node"."name", "node"."parent_id", "node"."size" FROM "node" []
-- skip locked
postgres: SELECT "node"."id", "node"."name", "node"."parent_id", "node"."size" FROM "node" FOR UPDATE SKIP LOCKED []
mysql: SELECT `node`.`id`, `node`.`name`, `node`.`parent_id`, `node`.`size` FROM `node` FOR UPDATE SKIP LOCKED []
sqlite: SELECT "node"."id", "node"."name", "node"."parent_id", "node"."size" FROM "node" []
-- for share nowait
postgres: SELECT "node"."id", "node"."name", "node"."parent_id", "node"."size" FROM "node" FOR SHARE NOWAIT []
mysql: Unsupported: MySQL and MariaDB have no common words for a shared lock that does not wait
sqlite: SELECT "node"."id", "node"."name", "node"."parent_id", "node"."size" FROM "node" []
-- for update nowait
postgres: SELECT "node"."id", "node"."name", "node"."parent_id", "node"."size" FROM "node" FOR UPDATE NOWAIT []
mysql: SELECT `node`.`id`, `node`.`name`, `node`.`parent_id`, `node`.`size` FROM `node` FOR UPDATE NOWAIT []
sqlite: SELECT "node"."id", "node"."name", "node"."parent_id", "node"."size" FROM "node" []
-- join
postgres: SELECT "k""d"."id", "node"."name" FROM "s`1"."k""d" INNER JOIN "node" ON "k""d"."other_id" = "node"."id" WHERE "node"."name" = $1 ["x"]
mysql: SELECT `k"d`.`id`, `node`.`name` FROM `s``1`.`k"d` INNER JOIN `node` ON `k"d`.`other_id` = `node`.`id` WHERE `node`.`name` = ? ["x"]
sqlite: SELECT "k""d"."id", "node"."name" FROM "s`1"."k""d" INNER JOIN "node" ON "k""d"."other_id" = "node"."id" WHERE "node"."name" = ? ["x"]
-- left join from the other side
postgres: SELECT "node"."id", "k""d"."name" FROM "node" LEFT JOIN "s`1"."k""d" ON "k""d"."other_id" = "node"."id" []
mysql: SELECT `node`.`id`, `k"d`.`name` FROM `node` LEFT JOIN `s``1`.`k"d` ON `k"d`.`other_id` = `node`.`id` []
sqlite: SELECT "node"."id", "k""d"."name" FROM "node" LEFT JOIN "s`1"."k""d" ON "k""d"."other_id" = "node"."id" []
-- join as
postgres: SELECT "node"."name", "parent"."name" FROM "node" INNER JOIN "node" AS "parent" ON "node"."parent_id" = "parent"."id" []
mysql: SELECT `node`.`name`, `parent`.`name` FROM `node` INNER JOIN `node` AS `parent` ON `node`.`parent_id` = `parent`.`id` []
sqlite: SELECT "node"."name", "parent"."name" FROM "node" INNER JOIN "node" AS "parent" ON "node"."parent_id" = "parent"."id" []
-- left join as
postgres: SELECT "node"."name", "parent"."id", "parent"."name", "parent"."parent_id", "parent"."size" FROM "node" LEFT JOIN "node" AS "parent" ON "node"."parent_id" = "parent"."id" []
mysql: SELECT `node`.`name`, `parent`.`id`, `parent`.`name`, `parent`.`parent_id`, `parent`.`size` FROM `node` LEFT JOIN `node` AS `parent` ON `node`.`parent_id` = `parent`.`id` []
sqlite: SELECT "node"."name", "parent"."id", "parent"."name", "parent"."parent_id", "parent"."size" FROM "node" LEFT JOIN "node" AS "parent" ON "node"."parent_id" = "parent"."id" []
-- join on
postgres: SELECT "node"."id", "node"."name", "node"."parent_id", "node"."size" FROM "node" INNER JOIN "node" AS "parent" ON "parent"."size" > "node"."size" + $1 [1]
mysql: SELECT `node`.`id`, `node`.`name`, `node`.`parent_id`, `node`.`size` FROM `node` INNER JOIN `node` AS `parent` ON `parent`.`size` > `node`.`size` + ? [1]
sqlite: SELECT "node"."id", "node"."name", "node"."parent_id", "node"."size" FROM "node" INNER JOIN "node" AS "parent" ON "parent"."size" > "node"."size" + ? [1]
-- left join on
postgres: SELECT "node"."id", "node"."name", "node"."parent_id", "node"."size" FROM "node" LEFT JOIN "pair" ON "pair"."left" = "node"."size" AND "pair"."weight" > $1 [1]
mysql: SELECT `node`.`id`, `node`.`name`, `node`.`parent_id`, `node`.`size` FROM `node` LEFT JOIN `pair` ON `pair`.`left` = `node`.`size` AND `pair`.`weight` > ? [1]
sqlite: SELECT "node"."id", "node"."name", "node"."parent_id", "node"."size" FROM "node" LEFT JOIN "pair" ON "pair"."left" = "node"."size" AND "pair"."weight" > ? [1]
-- full join on
postgres: SELECT "node"."id", "node"."name", "node"."parent_id", "node"."size" FROM "node" FULL OUTER JOIN "node" AS "parent" ON "parent"."id" = "node"."parent_id" []
mysql: Unsupported: MySQL and MariaDB have no FULL JOIN
sqlite: SELECT "node"."id", "node"."name", "node"."parent_id", "node"."size" FROM "node" FULL OUTER JOIN "node" AS "parent" ON "parent"."id" = "node"."parent_id" []
-- a page
postgres: SELECT "k""d"."id", "k""d"."flag", "k""d"."small", "k""d"."large", "k""d"."real", "k""d"."price", "k""d"."name", "k""d"."note", "k""d"."uuid", "k""d"."plain", "k""d"."told", "k""d"."at", "k""d"."bytes", "k""d"."tags", "k""d"."map", "k""d"."extra", "k""d"."other_id" FROM "s`1"."k""d" INNER JOIN "node" ON "k""d"."other_id" = "node"."id" WHERE "k""d"."flag" = $1 AND "k""d"."small" BETWEEN $2 AND $3 AND "k""d"."name" LIKE $4 ESCAPE '!' AND "node"."size" = ANY($5) AND ("k""d"."note" IS NULL OR "k""d"."real" > $6) ORDER BY "k""d"."name" ASC, "k""d"."id" DESC LIMIT $7 OFFSET $8 [true, 1, 9, "a%", array ["1", "2", "3"], 0.5, 20u, 40u]
mysql: SELECT `k"d`.`id`, `k"d`.`flag`, `k"d`.`small`, `k"d`.`large`, `k"d`.`real`, `k"d`.`price`, `k"d`.`name`, `k"d`.`note`, `k"d`.`uuid`, `k"d`.`plain`, `k"d`.`told`, `k"d`.`at`, `k"d`.`bytes`, `k"d`.`tags`, `k"d`.`map`, `k"d`.`extra`, `k"d`.`other_id` FROM `s``1`.`k"d` INNER JOIN `node` ON `k"d`.`other_id` = `node`.`id` WHERE `k"d`.`flag` = ? AND `k"d`.`small` BETWEEN ? AND ? AND `k"d`.`name` LIKE ? ESCAPE '!' AND `node`.`size` IN (?, ?, ?) AND (`k"d`.`note` IS NULL OR `k"d`.`real` > ?) ORDER BY `k"d`.`name` ASC, `k"d`.`id` DESC LIMIT ? OFFSET ? [true, 1, 9, "a%", 1, 2, 3, 0.5, 20u, 40u]
sqlite: SELECT "k""d"."id", "k""d"."flag", "k""d"."small", "k""d"."large", "k""d"."real", "k""d"."price", "k""d"."name", "k""d"."note", "k""d"."uuid", "k""d"."plain", "k""d"."told", "k""d"."at", "k""d"."bytes", "k""d"."tags", "k""d"."map", "k""d"."extra", "k""d"."other_id" FROM "s`1"."k""d" INNER JOIN "node" ON "k""d"."other_id" = "node"."id" WHERE "k""d"."flag" = ? AND "k""d"."small" BETWEEN ? AND ? AND "k""d"."name" LIKE ? ESCAPE '!' AND "node"."size" IN (?, ?, ?) AND ("k""d"."note" IS NULL OR "k""d"."real" > ?) ORDER BY "k""d"."name" ASC, "k""d"."id" DESC LIMIT ? OFFSET ? [true, 1, 9, "a%", 1, 2, 3, 0.5, 20u, 40u]
-- group
postgres: SELECT "node"."size", COUNT(*) FROM "node" GROUP BY "node"."size" []
mysql: SELECT `node`.`size`, COUNT(*) FROM `node` GROUP BY `node`.`size` []
sqlite: SELECT "node"."size", COUNT(*) FROM "node" GROUP BY "node"."size" []
-- groups
postgres: SELECT "node"."size", COUNT(*) FROM "node" GROUP BY "node"."size", "node"."name", "node"."size" + $1 [1]
mysql: SELECT `node`.`size`, COUNT(*) FROM `node` GROUP BY `node`.`size`, `node`.`name`, `node`.`size` + ? [1]
sqlite: SELECT "node"."size", COUNT(*) FROM "node" GROUP BY "node"."size", "node"."name", "node"."size" + ? [1]
-- having
postgres: SELECT "node"."size", COUNT(*) FROM "node" WHERE "node"."name" <> $1 GROUP BY "node"."size" HAVING COUNT(*) > $2 AND CAST(SUM("node"."id") AS bigint) < $3 ["x", 1, 9]
mysql: SELECT `node`.`size`, COUNT(*) FROM `node` WHERE `node`.`name` <> ? GROUP BY `node`.`size` HAVING COUNT(*) > ? AND SUM(`node`.`id`) < ? ["x", 1, 9]
sqlite: SELECT "node"."size", COUNT(*) FROM "node" WHERE "node"."name" <> ? GROUP BY "node"."size" HAVING COUNT(*) > ? AND SUM("node"."id") < ? ["x", 1, 9]
-- named
postgres: SELECT "node"."size", COUNT(*) AS "n" FROM "node" GROUP BY "node"."size" ORDER BY "n" DESC []
mysql: SELECT `node`.`size`, COUNT(*) AS `n` FROM `node` GROUP BY `node`.`size` ORDER BY `n` DESC []
sqlite: SELECT "node"."size", COUNT(*) AS "n" FROM "node" GROUP BY "node"."size" ORDER BY "n" DESC []
-- orders
postgres: SELECT "node"."id", "node"."name", "node"."parent_id", "node"."size" FROM "node" ORDER BY "node"."size" ASC, "node"."size" + CAST("node"."id" AS integer) DESC []
mysql: SELECT `node`.`id`, `node`.`name`, `node`.`parent_id`, `node`.`size` FROM `node` ORDER BY `node`.`size` ASC, `node`.`size` + CAST(`node`.`id` AS SIGNED) DESC []
sqlite: SELECT "node"."id", "node"."name", "node"."parent_id", "node"."size" FROM "node" ORDER BY "node"."size" ASC, "node"."size" + CAST("node"."id" AS INTEGER) DESC []
-- nulls
postgres: SELECT "node"."id", "node"."name", "node"."parent_id", "node"."size" FROM "node" ORDER BY "node"."parent_id" ASC NULLS LAST, "node"."parent_id" DESC NULLS FIRST []
mysql: SELECT `node`.`id`, `node`.`name`, `node`.`parent_id`, `node`.`size` FROM `node` ORDER BY `node`.`parent_id` IS NULL ASC, `node`.`parent_id` ASC, `node`.`parent_id` IS NULL DESC, `node`.`parent_id` DESC []
sqlite: SELECT "node"."id", "node"."name", "node"."parent_id", "node"."size" FROM "node" ORDER BY "node"."parent_id" ASC NULLS LAST, "node"."parent_id" DESC NULLS FIRST []
-- order by a condition
postgres: SELECT "node"."id", "node"."name", "node"."parent_id", "node"."size" FROM "node" ORDER BY "node"."size" > $1 AND "node"."id" < $2 DESC NULLS LAST [1, 2]
mysql: SELECT `node`.`id`, `node`.`name`, `node`.`parent_id`, `node`.`size` FROM `node` ORDER BY (`node`.`size` > ? AND `node`.`id` < ?) IS NULL ASC, `node`.`size` > ? AND `node`.`id` < ? DESC [1, 2, 1, 2]
sqlite: SELECT "node"."id", "node"."name", "node"."parent_id", "node"."size" FROM "node" ORDER BY "node"."size" > ? AND "node"."id" < ? DESC NULLS LAST [1, 2]
-- order by raw
postgres: SELECT "node"."id", "node"."name", "node"."parent_id", "node"."size" FROM "node" ORDER BY random() ASC []
mysql: SELECT `node`.`id`, `node`.`name`, `node`.`parent_id`, `node`.`size` FROM `node` ORDER BY random() ASC []
sqlite: SELECT "node"."id", "node"."name", "node"."parent_id", "node"."size" FROM "node" ORDER BY random() ASC []
-- union
postgres: SELECT "node"."name" FROM "node" WHERE "node"."size" = $1 UNION (SELECT "node"."name" FROM "node" WHERE "node"."size" = $2) [1, 2]
mysql: SELECT `node`.`name` FROM `node` WHERE `node`.`size` = ? UNION (SELECT `node`.`name` FROM `node` WHERE `node`.`size` = ?) [1, 2]
sqlite: SELECT "node"."name" FROM "node" WHERE "node"."size" = ? UNION SELECT "node"."name" FROM "node" WHERE "node"."size" = ? [1, 2]
-- union all
postgres: SELECT "node"."name" FROM "node" WHERE "node"."size" = $1 UNION ALL (SELECT "node"."name" FROM "node" WHERE "node"."size" = $2) UNION ALL (SELECT "node"."name" FROM "node" WHERE "node"."size" = $3) [1, 2, 3]
mysql: SELECT `node`.`name` FROM `node` WHERE `node`.`size` = ? UNION ALL (SELECT `node`.`name` FROM `node` WHERE `node`.`size` = ?) UNION ALL (SELECT `node`.`name` FROM `node` WHERE `node`.`size` = ?) [1, 2, 3]
sqlite: SELECT "node"."name" FROM "node" WHERE "node"."size" = ? UNION ALL SELECT "node"."name" FROM "node" WHERE "node"."size" = ? UNION ALL SELECT "node"."name" FROM "node" WHERE "node"."size" = ? [1, 2, 3]
-- union of the limited
postgres: SELECT * FROM (SELECT "node"."name" FROM "node" WHERE "node"."size" = $1 LIMIT $2) AS "part" UNION (SELECT * FROM (SELECT "node"."name" FROM "node" WHERE "node"."size" = $3 ORDER BY "node"."name" ASC LIMIT $4) AS "part") [1, 1u, 2, 2u]
mysql: SELECT * FROM (SELECT `node`.`name` FROM `node` WHERE `node`.`size` = ? LIMIT ?) AS `part` UNION (SELECT * FROM (SELECT `node`.`name` FROM `node` WHERE `node`.`size` = ? ORDER BY `node`.`name` ASC LIMIT ?) AS `part`) [1, 1u, 2, 2u]
sqlite: SELECT * FROM (SELECT "node"."name" FROM "node" WHERE "node"."size" = ? LIMIT ?) AS "part" UNION SELECT * FROM (SELECT "node"."name" FROM "node" WHERE "node"."size" = ? ORDER BY "node"."name" ASC LIMIT ?) AS "part" [1, 1u, 2, 2u]
-- intersect
postgres: SELECT * FROM (SELECT "node"."name" FROM "node" WHERE "node"."size" = $1 UNION (SELECT "node"."name" FROM "node" WHERE "node"."size" = $2)) AS "part" INTERSECT (SELECT "node"."name" FROM "node" WHERE "node"."size" = $3) [1, 2, 3]
mysql: SELECT * FROM (SELECT `node`.`name` FROM `node` WHERE `node`.`size` = ? UNION (SELECT `node`.`name` FROM `node` WHERE `node`.`size` = ?)) AS `part` INTERSECT (SELECT `node`.`name` FROM `node` WHERE `node`.`size` = ?) [1, 2, 3]
sqlite: SELECT * FROM (SELECT "node"."name" FROM "node" WHERE "node"."size" = ? UNION SELECT "node"."name" FROM "node" WHERE "node"."size" = ?) AS "part" INTERSECT SELECT "node"."name" FROM "node" WHERE "node"."size" = ? [1, 2, 3]
-- except
postgres: SELECT "node"."name" FROM "node" WHERE "node"."size" = $1 EXCEPT (SELECT "node"."name" FROM "node" WHERE "node"."size" = $2) UNION (SELECT * FROM (SELECT "node"."name" FROM "node" WHERE "node"."size" = $3 UNION (SELECT "node"."name" FROM "node" WHERE "node"."size" = $4)) AS "part") [1, 2, 3, 4]
mysql: SELECT `node`.`name` FROM `node` WHERE `node`.`size` = ? EXCEPT (SELECT `node`.`name` FROM `node` WHERE `node`.`size` = ?) UNION (SELECT * FROM (SELECT `node`.`name` FROM `node` WHERE `node`.`size` = ? UNION (SELECT `node`.`name` FROM `node` WHERE `node`.`size` = ?)) AS `part`) [1, 2, 3, 4]
sqlite: SELECT "node"."name" FROM "node" WHERE "node"."size" = ? EXCEPT SELECT "node"."name" FROM "node" WHERE "node"."size" = ? UNION SELECT * FROM (SELECT "node"."name" FROM "node" WHERE "node"."size" = ? UNION SELECT "node"."name" FROM "node" WHERE "node"."size" = ?) AS "part" [1, 2, 3, 4]
-- union in order
postgres: SELECT "node"."name" FROM "node" WHERE "node"."size" = $1 UNION (SELECT "node"."name" FROM "node" WHERE "node"."size" = $2) ORDER BY "name" ASC NULLS LAST LIMIT $3 OFFSET $4 [1, 2, 3u, 1u]
mysql: SELECT `node`.`name` FROM `node` WHERE `node`.`size` = ? UNION (SELECT `node`.`name` FROM `node` WHERE `node`.`size` = ?) ORDER BY `name` IS NULL ASC, `name` ASC LIMIT ? OFFSET ? [1, 2, 3u, 1u]
sqlite: SELECT "node"."name" FROM "node" WHERE "node"."size" = ? UNION SELECT "node"."name" FROM "node" WHERE "node"."size" = ? ORDER BY "name" ASC NULLS LAST LIMIT ? OFFSET ? [1, 2, 3u, 1u]
-- union with an offset
postgres: SELECT "node"."name" FROM "node" WHERE "node"."size" = $1 UNION (SELECT "node"."name" FROM "node" WHERE "node"."size" = $2) OFFSET $3 [1, 2, 1u]
mysql: SELECT `node`.`name` FROM `node` WHERE `node`.`size` = ? UNION (SELECT `node`.`name` FROM `node` WHERE `node`.`size` = ?) LIMIT ? OFFSET ? [1, 2, 9223372036854775807u, 1u]
sqlite: SELECT "node"."name" FROM "node" WHERE "node"."size" = ? UNION SELECT "node"."name" FROM "node" WHERE "node"."size" = ? LIMIT ? OFFSET ? [1, 2, 9223372036854775807u, 1u]
-- union of a limited union
postgres: SELECT * FROM (SELECT "node"."name" FROM "node" WHERE "node"."size" = $1 UNION (SELECT "node"."name" FROM "node" WHERE "node"."size" = $2) LIMIT $3) AS "part" UNION ALL (SELECT "node"."name" FROM "node" WHERE "node"."size" = $4) [1, 2, 3u, 3]
mysql: SELECT * FROM (SELECT `node`.`name` FROM `node` WHERE `node`.`size` = ? UNION (SELECT `node`.`name` FROM `node` WHERE `node`.`size` = ?) LIMIT ?) AS `part` UNION ALL (SELECT `node`.`name` FROM `node` WHERE `node`.`size` = ?) [1, 2, 3u, 3]
sqlite: SELECT * FROM (SELECT "node"."name" FROM "node" WHERE "node"."size" = ? UNION SELECT "node"."name" FROM "node" WHERE "node"."size" = ? LIMIT ?) AS "part" UNION ALL SELECT "node"."name" FROM "node" WHERE "node"."size" = ? [1, 2, 3u, 3]
-- union of the same columns
postgres: SELECT "node"."size", "node"."size" AS "c1" FROM "node" UNION (SELECT "node"."size", "node"."size" AS "c1" FROM "node") []
mysql: SELECT `node`.`size`, `node`.`size` AS `c1` FROM `node` UNION (SELECT `node`.`size`, `node`.`size` AS `c1` FROM `node`) []
sqlite: SELECT "node"."size", "node"."size" AS "c1" FROM "node" UNION SELECT "node"."size", "node"."size" AS "c1" FROM "node" []
-- from a query
postgres: SELECT "newest"."id", "newest"."name", "newest"."parent_id", "newest"."size" FROM (SELECT "node"."id", "node"."name", "node"."parent_id", "node"."size" FROM "node" ORDER BY "node"."id" DESC LIMIT $1) AS "newest" WHERE "newest"."size" > $2 ORDER BY "newest"."name" ASC [3u, 1]
mysql: SELECT `newest`.`id`, `newest`.`name`, `newest`.`parent_id`, `newest`.`size` FROM (SELECT `node`.`id`, `node`.`name`, `node`.`parent_id`, `node`.`size` FROM `node` ORDER BY `node`.`id` DESC LIMIT ?) AS `newest` WHERE `newest`.`size` > ? ORDER BY `newest`.`name` ASC [3u, 1]
sqlite: SELECT "newest"."id", "newest"."name", "newest"."parent_id", "newest"."size" FROM (SELECT "node"."id", "node"."name", "node"."parent_id", "node"."size" FROM "node" ORDER BY "node"."id" DESC LIMIT ?) AS "newest" WHERE "newest"."size" > ? ORDER BY "newest"."name" ASC [3u, 1]
-- join a query
postgres: SELECT "k""d"."id", "newest"."name" FROM "s`1"."k""d" INNER JOIN (SELECT "node"."id", "node"."name", "node"."parent_id", "node"."size" FROM "node" ORDER BY "node"."id" DESC LIMIT $1) AS "newest" ON "k""d"."other_id" = "newest"."id" [3u]
mysql: SELECT `k"d`.`id`, `newest`.`name` FROM `s``1`.`k"d` INNER JOIN (SELECT `node`.`id`, `node`.`name`, `node`.`parent_id`, `node`.`size` FROM `node` ORDER BY `node`.`id` DESC LIMIT ?) AS `newest` ON `k"d`.`other_id` = `newest`.`id` [3u]
sqlite: SELECT "k""d"."id", "newest"."name" FROM "s`1"."k""d" INNER JOIN (SELECT "node"."id", "node"."name", "node"."parent_id", "node"."size" FROM "node" ORDER BY "node"."id" DESC LIMIT ?) AS "newest" ON "k""d"."other_id" = "newest"."id" [3u]
-- two relations
postgres: SELECT "node"."id", "node"."name", "node"."parent_id", "node"."size", "newest"."id", "newest"."name", "newest"."parent_id", "newest"."size" FROM "node" INNER JOIN (SELECT "node"."id", "node"."name", "node"."parent_id", "node"."size" FROM "node" ORDER BY "node"."id" DESC LIMIT $1) AS "newest" ON "newest"."id" = "node"."id" [3u]
mysql: SELECT `node`.`id`, `node`.`name`, `node`.`parent_id`, `node`.`size`, `newest`.`id`, `newest`.`name`, `newest`.`parent_id`, `newest`.`size` FROM `node` INNER JOIN (SELECT `node`.`id`, `node`.`name`, `node`.`parent_id`, `node`.`size` FROM `node` ORDER BY `node`.`id` DESC LIMIT ?) AS `newest` ON `newest`.`id` = `node`.`id` [3u]
sqlite: SELECT "node"."id", "node"."name", "node"."parent_id", "node"."size", "newest"."id", "newest"."name", "newest"."parent_id", "newest"."size" FROM "node" INNER JOIN (SELECT "node"."id", "node"."name", "node"."parent_id", "node"."size" FROM "node" ORDER BY "node"."id" DESC LIMIT ?) AS "newest" ON "newest"."id" = "node"."id" [3u]
-- insert
postgres: INSERT INTO "node" ("name", "size") VALUES ($1, $2) RETURNING "node"."id" ["x", 1]
mysql: INSERT INTO `node` (`name`, `size`) VALUES (?, ?) ["x", 1]
sqlite: INSERT INTO "node" ("name", "size") VALUES (?, ?) RETURNING "node"."id" ["x", 1]
-- insert and return
postgres: INSERT INTO "node" ("name", "size") VALUES ($1, $2) RETURNING "node"."id", "node"."name", "node"."parent_id", "node"."size" ["x", 2]
mysql: INSERT INTO `node` (`name`, `size`) VALUES (?, ?) ["x", 2]
sqlite: INSERT INTO "node" ("name", "size") VALUES (?, ?) RETURNING "node"."id", "node"."name", "node"."parent_id", "node"."size" ["x", 2]
-- insert and return columns
postgres: INSERT INTO "node" ("name", "size") VALUES ($1, $2) RETURNING "node"."size" + $3, "node"."name" AS "n" ["x", 1, 1]
mysql: INSERT INTO `node` (`name`, `size`) VALUES (?, ?) ["x", 1]
sqlite: INSERT INTO "node" ("name", "size") VALUES (?, ?) RETURNING "node"."size" + ?, "node"."name" AS "n" ["x", 1, 1]
-- insert nothing
postgres: INSERT INTO "pair" ("left") VALUES (DEFAULT) RETURNING "pair"."left", "pair"."right" []
mysql: INSERT INTO `pair` (`left`) VALUES (DEFAULT) []
sqlite: INSERT INTO "pair" ("left") VALUES (NULL) RETURNING "pair"."left", "pair"."right" []
-- insert many
postgres: INSERT INTO "pair" ("left", "right", "weight") VALUES ($1, DEFAULT, DEFAULT), (DEFAULT, $2, $3) RETURNING "pair"."left", "pair"."right" [1, "x", 3]
mysql: INSERT INTO `pair` (`left`, `right`, `weight`) VALUES (?, DEFAULT, DEFAULT), (DEFAULT, ?, ?) [1, "x", 3]
sqlite: INSERT INTO "pair" ("left", "right", "weight") VALUES (?, NULL, (7)), (NULL, ?, ?) RETURNING "pair"."left", "pair"."right" [1, "x", 3]
-- insert or ignore
postgres: INSERT INTO "node" ("name", "size") VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING "node"."id" ["x", 1]
mysql: INSERT INTO `node` (`name`, `size`) VALUES (?, ?) ["x", 1]
sqlite: INSERT INTO "node" ("name", "size") VALUES (?, ?) ON CONFLICT DO NOTHING RETURNING "node"."id" ["x", 1]
-- insert expressions
postgres: INSERT INTO "node" ("name", "size") VALUES (lower('X'), "node"."size" + $1) RETURNING "node"."id" [1]
mysql: INSERT INTO `node` (`name`, `size`) VALUES (lower('X'), `node`.`size` + ?) [1]
sqlite: INSERT INTO "node" ("name", "size") VALUES (lower('X'), "node"."size" + ?) RETURNING "node"."id" [1]
-- insert a query
postgres: INSERT INTO "node" ("name", "size") VALUES ($1, (SELECT MAX("node"."size") FROM "node")) RETURNING "node"."id" ["x"]
mysql: INSERT INTO `node` (`name`, `size`) VALUES (?, (SELECT * FROM (SELECT * FROM (SELECT MAX(`node`.`size`) FROM `node`) AS `nestling_rows` LIMIT ?) AS `nestling_rows`)) ["x", 9223372036854775807u]
sqlite: INSERT INTO "node" ("name", "size") VALUES (?, (SELECT MAX("node"."size") FROM "node")) RETURNING "node"."id" ["x"]
-- insert other kinds
postgres: INSERT INTO "s`1"."k""d" ("uuid", "told", "map") VALUES ($1, to_char(NOW() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"'), $2) RETURNING "k""d"."id" [[00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00], HStore({"a": None})]
mysql: INSERT INTO `s``1`.`k"d` (`uuid`, `told`, `map`) VALUES (?, DATE_FORMAT(UTC_TIMESTAMP(6), '%Y-%m-%dT%H:%i:%s.%f+00:00'), ?) [[00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00], HStore({"a": None})]
sqlite: INSERT INTO "s`1"."k""d" ("uuid", "told", "map") VALUES (?, strftime('%Y-%m-%dT%H:%M:%f+00:00', 'now'), ?) RETURNING "k""d"."id" [[00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00], HStore({"a": None})]
-- upsert
postgres: INSERT INTO "node" ("name", "size") VALUES ($1, $2) ON CONFLICT ("name") DO UPDATE SET "size" = "excluded"."size" RETURNING "node"."id" ["x", 2]
mysql: INSERT INTO `node` (`name`, `size`) VALUES (?, ?) ON DUPLICATE KEY UPDATE `id` = LAST_INSERT_ID(`id`), `size` = VALUES(`size`) ["x", 2]
sqlite: INSERT INTO "node" ("name", "size") VALUES (?, ?) ON CONFLICT ("name") DO UPDATE SET "size" = "excluded"."size" RETURNING "node"."id" ["x", 2]
-- upsert more
postgres: INSERT INTO "node" ("name", "size") VALUES ($1, $2) ON CONFLICT ("name") DO UPDATE SET "size" = "node"."size" + "excluded"."size" RETURNING "node"."id", "node"."name", "node"."parent_id", "node"."size" ["x", 2]
mysql: INSERT INTO `node` (`name`, `size`) VALUES (?, ?) ON DUPLICATE KEY UPDATE `id` = LAST_INSERT_ID(`id`), `size` = `node`.`size` + VALUES(`size`) ["x", 2]
sqlite: INSERT INTO "node" ("name", "size") VALUES (?, ?) ON CONFLICT ("name") DO UPDATE SET "size" = "node"."size" + "excluded"."size" RETURNING "node"."id", "node"."name", "node"."parent_id", "node"."size" ["x", 2]
-- upsert if
postgres: INSERT INTO "node" ("name", "size") VALUES ($1, $2) ON CONFLICT ("name") DO UPDATE SET "size" = "node"."size" + "excluded"."size" WHERE "node"."size" < "excluded"."size" AND "node"."name" <> $3 RETURNING "node"."id" ["x", 2, "y"]
mysql: Unsupported: MySQL and MariaDB have no conditions of an upsert and no choice of its constraint
sqlite: INSERT INTO "node" ("name", "size") VALUES (?, ?) ON CONFLICT ("name") DO UPDATE SET "size" = "node"."size" + "excluded"."size" WHERE "node"."size" < "excluded"."size" AND "node"."name" <> ? RETURNING "node"."id" ["x", 2, "y"]
-- upsert by a constraint
postgres: INSERT INTO "node" ("name", "size") VALUES ($1, $2) ON CONFLICT ON CONSTRAINT "node""key" DO UPDATE SET "size" = "excluded"."size" RETURNING "node"."id" ["x", 2]
mysql: Unsupported: MySQL and MariaDB have no conditions of an upsert and no choice of its constraint
sqlite: Unsupported: only PostgreSQL finds the constraint of an upsert by its name: give its columns
-- upsert of a partial index
postgres: INSERT INTO "node" ("name", "size") VALUES ($1, $2) ON CONFLICT ("name") WHERE (("size" > 7 AND "name" <> E'it''s \\ "so"') OR "parent_id" IS NULL) AND (NOT ("name" LIKE '%!%%' ESCAPE '!') AND "size" = ANY(ARRAY[1, 2])) DO UPDATE SET "size" = "excluded"."size" RETURNING "node"."id" ["x", 2]
mysql: Unsupported: MySQL and MariaDB have no conditions of an upsert and no choice of its constraint
sqlite: INSERT INTO "node" ("name", "size") VALUES (?, ?) ON CONFLICT ("name") WHERE (("size" > 7 AND "name" <> 'it''s \ "so"') OR "parent_id" IS NULL) AND (NOT ("name" LIKE '%!%%' ESCAPE '!') AND "size" IN (1, 2)) DO UPDATE SET "size" = "excluded"."size" RETURNING "node"."id" ["x", 2]
-- upsert of a partial index of kinds
postgres: INSERT INTO "s`1"."k""d" ("name") VALUES ($1) ON CONFLICT ("name") WHERE "flag" = TRUE AND "real" < 1.5 AND "price" > 2.5 AND ("plain" = '00000000-0000-0000-0000-000000000000' AND "uuid" <> E'\\x00000000000000000000000000000000' AND "bytes" <> E'\\x01ab') DO UPDATE SET "flag" = "excluded"."flag" RETURNING "k""d"."id" ["x"]
mysql: Unsupported: MySQL and MariaDB have no conditions of an upsert and no choice of its constraint
sqlite: INSERT INTO "s`1"."k""d" ("name") VALUES (?) ON CONFLICT ("name") WHERE "flag" = TRUE AND "real" < 1.5 AND "price" > 2.5 AND ("plain" = '00000000-0000-0000-0000-000000000000' AND "uuid" <> x'00000000000000000000000000000000' AND "bytes" <> x'01ab') DO UPDATE SET "flag" = "excluded"."flag" RETURNING "k""d"."id" ["x"]
-- upsert of raw conditions
postgres: INSERT INTO "node" ("name", "size") VALUES ($1, $2) ON CONFLICT ("name") WHERE size > 7 DO UPDATE SET "size" = 0 RETURNING "node"."id" ["x", 2]
mysql: Unsupported: MySQL and MariaDB have no conditions of an upsert and no choice of its constraint
sqlite: INSERT INTO "node" ("name", "size") VALUES (?, ?) ON CONFLICT ("name") WHERE size > 7 DO UPDATE SET "size" = 0 RETURNING "node"."id" ["x", 2]
-- upsert many
postgres: INSERT INTO "node" ("name", "size") VALUES ($1, $2), ($3, $4) ON CONFLICT ("name") DO UPDATE SET "size" = "node"."size" + "excluded"."size" RETURNING "node"."id" ["x", 1, "y", 1]
mysql: INSERT INTO `node` (`name`, `size`) VALUES (?, ?), (?, ?) ON DUPLICATE KEY UPDATE `size` = `node`.`size` + VALUES(`size`) ["x", 1, "y", 1]
sqlite: INSERT INTO "node" ("name", "size") VALUES (?, ?), (?, ?) ON CONFLICT ("name") DO UPDATE SET "size" = "node"."size" + "excluded"."size" RETURNING "node"."id" ["x", 1, "y", 1]
-- upsert by a query
postgres: INSERT INTO "node" ("name", "size") VALUES ($1, $2) ON CONFLICT ("name") DO UPDATE SET "size" = (SELECT MAX("node"."size") FROM "node") RETURNING "node"."id" ["x", 2]
mysql: INSERT INTO `node` (`name`, `size`) VALUES (?, ?) ON DUPLICATE KEY UPDATE `id` = LAST_INSERT_ID(`id`), `size` = (SELECT * FROM (SELECT * FROM (SELECT MAX(`node`.`size`) FROM `node`) AS `nestling_rows` LIMIT ?) AS `nestling_rows`) ["x", 2, 9223372036854775807u]
sqlite: INSERT INTO "node" ("name", "size") VALUES (?, ?) ON CONFLICT ("name") DO UPDATE SET "size" = (SELECT MAX("node"."size") FROM "node") RETURNING "node"."id" ["x", 2]
-- update by key
postgres: UPDATE "node" SET "size" = $1, "parent_id" = $2 WHERE "node"."id" = $3 [2, NULL, 7]
mysql: UPDATE `node` SET `size` = ?, `parent_id` = ? WHERE `node`.`id` = ? [2, NULL, 7]
sqlite: UPDATE "node" SET "size" = ?, "parent_id" = ? WHERE "node"."id" = ? [2, NULL, 7]
-- update all
postgres: UPDATE "node" SET "size" = "node"."size" * $1 + $2 [2, 1]
mysql: UPDATE `node` SET `size` = `node`.`size` * ? + ? [2, 1]
sqlite: UPDATE "node" SET "size" = "node"."size" * ? + ? [2, 1]
-- update some
postgres: UPDATE "node" SET "parent_id" = $1 WHERE "node"."size" > $2 AND "node"."name" <> $3 [7, 1, "x"]
mysql: UPDATE `node` SET `parent_id` = ? WHERE `node`.`size` > ? AND `node`.`name` <> ? [7, 1, "x"]
sqlite: UPDATE "node" SET "parent_id" = ? WHERE "node"."size" > ? AND "node"."name" <> ? [7, 1, "x"]
-- update and return
postgres: UPDATE "node" SET "size" = $1 WHERE "node"."id" = $2 RETURNING "node"."id", "node"."name", "node"."parent_id", "node"."size" [2, 7]
mysql: UPDATE `node` SET `size` = ? WHERE `node`.`id` = ? [2, 7]
sqlite: UPDATE "node" SET "size" = ? WHERE "node"."id" = ? RETURNING "node"."id", "node"."name", "node"."parent_id", "node"."size" [2, 7]
-- update by an own query
postgres: UPDATE "node" SET "size" = CAST((SELECT COUNT(*) FROM "node" WHERE "node"."size" > $1) AS integer) + $2, "name" = $3 WHERE "node"."id" IN (SELECT "node"."id" FROM "node" LIMIT $4) [1, 1, "x", 2u]
mysql: UPDATE `node` INNER JOIN (SELECT `node`.`id` AS `nestling_key_0`, CAST((SELECT COUNT(*) FROM `node` WHERE `node`.`size` > ?) AS SIGNED) + ? AS `nestling_value_3` FROM `node` WHERE `node`.`id` IN (SELECT * FROM (SELECT `node`.`id` FROM `node` LIMIT ?) AS `nestling_rows`) LIMIT 9223372036854775807) AS `nestling_rows` ON `node`.`id` = `nestling_rows`.`nestling_key_0` SET `size` = `nestling_rows`.`nestling_value_3`, `name` = ? [1, 1, 2u, "x"]
sqlite: UPDATE "node" SET "size" = CAST((SELECT COUNT(*) FROM "node" WHERE "node"."size" > ?) AS INTEGER) + ?, "name" = ? WHERE "node"."id" IN (SELECT "node"."id" FROM "node" LIMIT ?) [1, 1, "x", 2u]
-- update by a query
postgres: UPDATE "node" SET "size" = $1 WHERE EXISTS(SELECT "k""d"."id", "k""d"."flag", "k""d"."small", "k""d"."large", "k""d"."real", "k""d"."price", "k""d"."name", "k""d"."note", "k""d"."uuid", "k""d"."plain", "k""d"."told", "k""d"."at", "k""d"."bytes", "k""d"."tags", "k""d"."map", "k""d"."extra", "k""d"."other_id" FROM "s`1"."k""d" WHERE "k""d"."other_id" = "node"."id") [1]
mysql: UPDATE `node` SET `size` = ? WHERE EXISTS(SELECT `k"d`.`id`, `k"d`.`flag`, `k"d`.`small`, `k"d`.`large`, `k"d`.`real`, `k"d`.`price`, `k"d`.`name`, `k"d`.`note`, `k"d`.`uuid`, `k"d`.`plain`, `k"d`.`told`, `k"d`.`at`, `k"d`.`bytes`, `k"d`.`tags`, `k"d`.`map`, `k"d`.`extra`, `k"d`.`other_id` FROM `s``1`.`k"d` WHERE `k"d`.`other_id` = `node`.`id`) [1]
sqlite: UPDATE "node" SET "size" = ? WHERE EXISTS(SELECT "k""d"."id", "k""d"."flag", "k""d"."small", "k""d"."large", "k""d"."real", "k""d"."price", "k""d"."name", "k""d"."note", "k""d"."uuid", "k""d"."plain", "k""d"."told", "k""d"."at", "k""d"."bytes", "k""d"."tags", "k""d"."map", "k""d"."extra", "k""d"."other_id" FROM "s`1"."k""d" WHERE "k""d"."other_id" = "node"."id") [1]
-- update nothing
postgres: Config: an update of a Node that sets nothing
mysql: Config: an update of a Node that sets nothing
sqlite: Config: an update of a Node that sets nothing
-- update of a form
postgres: UPDATE "s`1"."k""d" SET "uuid" = $1, "at" = NOW() WHERE "k""d"."id" = $2 [[00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00], 1]
mysql: UPDATE `s``1`.`k"d` SET `uuid` = ?, `at` = UTC_TIMESTAMP(6) WHERE `k"d`.`id` = ? [[00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00], 1]
sqlite: UPDATE "s`1"."k""d" SET "uuid" = ?, "at" = strftime('%Y-%m-%d %H:%M:%f', 'now') WHERE "k""d"."id" = ? [[00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00, 00], 1]
-- delete by key
postgres: DELETE FROM "node" WHERE "node"."id" = $1 [7]
mysql: DELETE FROM `node` WHERE `node`.`id` = ? [7]
sqlite: DELETE FROM "node" WHERE "node"."id" = ? [7]
-- delete all
postgres: DELETE FROM "node" []
mysql: DELETE FROM `node` []
sqlite: DELETE FROM "node" []
-- delete and return
postgres: DELETE FROM "node" WHERE "node"."size" > $1 RETURNING "node"."name" [1]
mysql: DELETE FROM `node` WHERE `node`.`size` > ? [1]
sqlite: DELETE FROM "node" WHERE "node"."size" > ? RETURNING "node"."name" [1]
-- delete by an own query
postgres: DELETE FROM "pair" WHERE "pair"."left" IN (SELECT "pair"."left" FROM "pair" WHERE "pair"."weight" > $1) [1]
mysql: DELETE `pair` FROM `pair` INNER JOIN (SELECT `pair`.`left` AS `nestling_key_0`, `pair`.`right` AS `nestling_key_1` FROM `pair` WHERE `pair`.`left` IN (SELECT `pair`.`left` FROM `pair` WHERE `pair`.`weight` > ?) LIMIT 9223372036854775807) AS `nestling_rows` ON `pair`.`left` = `nestling_rows`.`nestling_key_0` AND `pair`.`right` = `nestling_rows`.`nestling_key_1` [1]
sqlite: DELETE FROM "pair" WHERE "pair"."left" IN (SELECT "pair"."left" FROM "pair" WHERE "pair"."weight" > ?) [1]
-- delete of a schema
postgres: DELETE FROM "s`1"."k""d" WHERE "k""d"."name" = $1 OR "k""d"."small" > $2 ["x", 1]
mysql: DELETE FROM `s``1`.`k"d` WHERE `k"d`.`name` = ? OR `k"d`.`small` > ? ["x", 1]
sqlite: DELETE FROM "s`1"."k""d" WHERE "k""d"."name" = ? OR "k""d"."small" > ? ["x", 1]
