#!/usr/bin/env bash
# Puts a table from standard input into a page, between the lines "<!-- NAME -->" and "<!-- end -->".
#
#   Scripts/insert-table.sh PAGE NAME <TABLE
set -euo pipefail
page=$1 name=$2
table=$(mktemp) new=$(mktemp)
trap 'rm -f "$table" "$new"' EXIT
cat >"$table"
grep -qx "<!-- $name -->" "$page" || { echo "$page has no place for \"$name\"" >&2 && exit 1; }
awk -v start="<!-- $name -->" -v table="$table" '
  $0 == start { print; print ""; while ((getline line < table) > 0) print line; print ""; skips = 1 }
  $0 == "<!-- end -->" { skips = 0 }
  !skips && $0 != start' "$page" >"$new"
cat "$new" >"$page"
